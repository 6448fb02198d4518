//! A panic's message, without the place in the source, becomes the text that the caller reads.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // Not on the heap: the panic may be about having no memory left.
    let mut text = Text { bytes: [0; 256], length: 0 };
    let _ = write!(text, "{}", info.message());
    crate::host::fail(core::str::from_utf8(&text.bytes[..text.length]).unwrap_or_default())
}

/// As much of a text as fits.
struct Text {
    bytes: [u8; 256],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let mut buffer = [0; 4];
            let encoded = character.encode_utf8(&mut buffer).as_bytes();
            let Some(space) = self.bytes.get_mut(self.length..self.length + encoded.len()) else {
                return Err(fmt::Error);
            };
            space.copy_from_slice(encoded);
            self.length += encoded.len();
        }
        Ok(())
    }
}
