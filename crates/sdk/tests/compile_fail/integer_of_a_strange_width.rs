use enigma_sdk::Uint;

const LARGEST: Uint<23> = Uint::MAX;

fn main() {
    let _ = LARGEST;
}
