//! How large contracts are and what calls cost. Gas is exact: the same code gives the same figure on every machine. The bounds
//! leave room for another version of the compiler.

use crate::{
    ALICE, BOB, Deployed, OWNER,
    abi::{Value, address, boolean, encode, number, string},
    pre_code,
};
use enigma_runtime::prepare;

const KB: usize = 1_024;

/// Names, and bounds of preCode and exeCode.
const SIZES: [(&str, usize, usize); 13] = [
    ("auction", 30 * KB, 50 * KB),
    ("coin_mixer", 30 * KB, 50 * KB),
    ("contract_with_eth_calls", 22 * KB, 37 * KB),
    ("encryption", 18 * KB, 30 * KB),
    ("erc20", 27 * KB, 38 * KB),
    ("factorization", 8 * KB, 14 * KB),
    ("flip_coin", 18 * KB, 30 * KB),
    ("millionaires_problem", 18 * KB, 29 * KB),
    ("misbehaving", 16 * KB, 25 * KB),
    ("simple_addition", 8 * KB, 12 * KB),
    ("simple_calculator", 27 * KB, 41 * KB),
    ("simplest", 36 * KB, 58 * KB),
    ("voting", 27 * KB, 44 * KB),
];

#[test]
fn sizes() {
    println!("{:<24} {:>10} {:>10}", "contract", "preCode", "exeCode");
    let mut problems = Vec::new();
    for (name, pre_budget, exe_budget) in SIZES {
        let pre_code = pre_code(name);
        let exe_code = prepare(&pre_code).unwrap_or_else(|error| panic!("{name} is refused: {error}"));
        println!("{name:<24} {:>10} {:>10}", pre_code.len(), exe_code.len());
        if pre_code.len() > pre_budget || exe_code.len() > exe_budget {
            problems.push(format!(
                "{name}: preCode has {} bytes of {pre_budget}, exeCode {} of {exe_budget}",
                pre_code.len(),
                exe_code.len()
            ));
        }
    }
    assert!(problems.is_empty(), "too large:\n{}", problems.join("\n"));
}

#[test]
fn gas_of_calls() {
    let mut problems = Vec::new();
    let mut measure = |contract: &mut Deployed, name: &str, signature: &str, arguments: &[u8], budget: u64| {
        let execution = contract.call(ALICE, signature, arguments);
        assert!(execution.outcome.is_ok(), "{name}: {signature}: {:?}", execution.outcome);
        println!("{name:<24} {signature:<44} {:>10}", execution.gas_used);
        if execution.gas_used > budget {
            problems.push(format!("{name}: {signature} used {} gas of {budget}", execution.gas_used));
        }
    };

    let sum = encode([number(24), number(67)]);
    let mut contract = Deployed::new("simple_addition", OWNER, "construct()", &[]);
    measure(&mut contract, "simple_addition", "addition(uint256,uint256)", &sum, 4_000);

    let mut contract = Deployed::new("simple_calculator", OWNER, "construct()", &[]);
    for function in ["add", "mul", "div"] {
        measure(&mut contract, "simple_calculator", &format!("{function}(uint256,uint256)"), &sum, 5_000);
    }

    let mut contract = Deployed::new("simplest", OWNER, "construct(uint256)", &encode([number(3)]));
    let dynamic = encode([
        Value::Array(vec![Value::Bytes(vec![7; 33])]),
        Value::Array(vec![string("text")]),
        Value::Array(vec![Value::Word([5; 32])]),
    ]);
    let addresses = encode([address(ALICE), Value::Array(vec![address(BOB)])]);
    for (signature, arguments, budget) in [
        ("write()", vec![], 10_000),
        ("addition(uint256,uint256)", sum, 6_000),
        ("get_last_sum()", vec![], 5_000),
        ("choose_rand_color()", vec![], 4_000),
        ("get_scrambled_vec()", vec![], 7_000),
        ("check_addresses(address,address[])", addresses, 6_000),
        ("dynamic_types(bytes[],string[],bytes32[])", dynamic, 11_000),
    ] {
        measure(&mut contract, "simplest", signature, &arguments, budget);
    }

    let mut contract = Deployed::new("factorization", OWNER, "construct()", &[]);
    for argument in [76, 199_998, 1_000_000_007] {
        let signature = "find_number_of_prime_factors(uint64)";
        measure(&mut contract, "factorization", signature, &encode([number(argument)]), 1_000_000);
    }

    let mut contract = Deployed::new("flip_coin", BOB, "construct()", &[]);
    measure(&mut contract, "flip_coin", "flip()", &[], 3_000);
    contract.output(BOB, "commit(bool)", &encode([boolean(true)]));
    measure(&mut contract, "flip_coin", "guess(bool)", &encode([boolean(true)]), 6_000);
    measure(&mut contract, "flip_coin", "commit(bool)", &encode([boolean(true)]), 6_000);

    let mut contract = Deployed::new("millionaires_problem", OWNER, "construct()", &[]);
    let fortune = encode([address(ALICE), number(1_000_000)]);
    measure(&mut contract, "millionaires_problem", "add_millionaire(address,uint256)", &fortune, 9_000);
    measure(&mut contract, "millionaires_problem", "compute_richest()", &[], 7_000);

    let arguments = encode([address(ALICE), number(1_000)]);
    let mut contract = Deployed::new("erc20", OWNER, "construct(address,uint256)", &arguments);
    let to_bob = encode([address(BOB), number(10)]);
    contract.output(BOB, "approve(address,uint256)", &encode([address(ALICE), number(10)]));
    for (signature, arguments, budget) in [
        ("transfer(address,uint256)", to_bob.clone(), 10_000),
        ("approve(address,uint256)", to_bob.clone(), 7_000),
        ("mint(address,uint256)", to_bob, 11_000),
        ("transfer_from(address,address,uint256)", encode([address(BOB), address(OWNER), number(5)]), 14_000),
        ("total_supply()", vec![], 5_000),
        ("balance_of(address)", encode([address(ALICE)]), 6_000),
        ("allowance(address,address)", encode([address(BOB), address(ALICE)]), 7_000),
    ] {
        measure(&mut contract, "erc20", signature, &arguments, budget);
    }

    let mut contract = Deployed::empty("auction");
    let opening = encode([string("a painting"), number(u128::from(contract.now) + 10), number(5)]);
    contract.run(enigma_runtime::Entry::Deploy, OWNER, "construct(string,uint64,uint256)", &opening, 100_000);
    contract.output(BOB, "bid(uint256)", &encode([number(7)]));
    measure(&mut contract, "auction", "bid(uint256)", &encode([number(9)]), 12_000);
    measure(&mut contract, "auction", "info()", &[], 7_000);
    contract.now += 10;
    measure(&mut contract, "auction", "result()", &[], 12_000);

    assert!(problems.is_empty(), "too expensive:\n{}", problems.join("\n"));
}
