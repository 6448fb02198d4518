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
    use enigma_sdk::testing::{Task, Tested};

    const ALICE: enigma_sdk::Address = enigma_sdk::Address([0xa1; 20]);

    #[enigma_sdk::test]
    fn counts_prime_factors(contract: &mut Tested<Factorization>) {
        contract.by(ALICE).construct().unwrap();
        for (number, factors) in [
            (199_998, 5),
            (71, 1),
            (76, 3),
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 1),
            (9, 2),
            (25, 2),
            (1 << 63, 63),
            (u64::MAX, 7),
            (3 * 65_521 * 65_537, 3),
        ] {
            assert_eq!(contract.by(ALICE).find_number_of_prime_factors(number), Ok(factors), "{number}");
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        let factors = |number: u64| {
            let mut rest = number;
            (2..=number).map(|prime| core::iter::from_fn(|| (rest % prime == 0).then(|| rest /= prime)).count()).sum()
        };
        for number in 1..300 {
            let expected: usize = factors(number);
            assert_eq!(Factorization.find_number_of_prime_factors(number), expected as u64, "{number}");
        }
    }

    /// The largest prime below 2^64 takes two thousand million divisions.
    #[enigma_sdk::test(runtime)]
    fn a_hard_number_runs_out_of_gas(contract: &mut Tested<Factorization>) {
        contract.by(ALICE).construct().unwrap();
        let task = Task::by(ALICE).gas_limit(1_000_000);
        let result = contract.by(task).find_number_of_prime_factors(u64::MAX - 58);
        assert_eq!(result, Err("out of gas: the limit was 1000000".into()));
        assert_eq!(contract.last().gas_used, 1_000_000);
    }
}
