//! How many prime factors does a secret number have? An example of heavy computation.
//!
//! The work, and with it the gas, grows with the second largest prime factor, or with the square root of the largest. Gas used
//! is public, rounded, so it tells something of the number; and a number with two large factors needs more gas than a task has.
#![no_std]

/// It remembers nothing.
#[enigma_sdk::state]
pub struct Factorization;

#[enigma_sdk::contract]
impl Factorization {
    /// How many primes the number is a product of, each counted as often as it divides: 76 = 2 · 2 · 19 has 3. None for 0 and 1.
    #[call]
    pub fn find_number_of_prime_factors(&self, number: u64) -> u64 {
        if number < 2 {
            return 0;
        }
        let mut rest = number >> number.trailing_zeros();
        let mut factors = u64::from(number.trailing_zeros());
        let mut divisor = 3;
        while divisor <= rest / divisor {
            if rest % divisor == 0 {
                rest /= divisor;
                factors += 1;
            } else {
                divisor += 2;
            }
        }
        if rest > 1 { factors + 1 } else { factors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing;

    #[track_caller]
    fn check(number: u64, factors: u64) {
        let result = testing::call::<Factorization>("find_number_of_prime_factors(uint64)", (number,));
        assert_eq!(result, Ok(testing::encoded(factors)), "{number}");
    }

    #[test]
    fn counts_prime_factors() {
        check(199_998, 5);
        check(71, 1);
        check(76, 3);
        check(0, 0);
    }

    #[test]
    fn edges() {
        check(1, 0);
        check(2, 1);
        check(3, 1);
        check(9, 2);
        check(25, 2);
        check(1 << 63, 63);
        check(u64::MAX, 7);
        check(3 * 65_521 * 65_537, 3);
    }

    #[test]
    fn agrees_with_the_definition() {
        let factors = |number: u64| {
            let mut rest = number;
            (2..=number).map(|prime| core::iter::from_fn(|| (rest % prime == 0).then(|| rest /= prime)).count()).sum()
        };
        for number in 1..300 {
            let expected: usize = factors(number);
            check(number, expected as u64);
        }
    }
}
