//! A panic's message, without the place in the source, becomes the text that the caller reads.

use core::panic::PanicInfo;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    crate::failure::fail(format_args!("{}", info.message()))
}
