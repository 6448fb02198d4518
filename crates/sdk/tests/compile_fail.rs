//! What the compiler says about mistakes: what to write instead. `TRYBUILD=overwrite cargo test -p enigma-sdk --test compile_fail`
//! rewrites the expected messages after a change of a macro, or of the compiler.

#[test]
fn messages_say_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
