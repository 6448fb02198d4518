//! Stopping a call with a text.

use crate::host;
use core::fmt::{self, Write};

/// The runtime takes no longer text. (Texts that need not be put together are passed on whole, and cut by the runtime.)
const MAX_TEXT_BYTES: usize = 1024;

/// Stops the call with a text, without the heap: the reason may be that there is no memory left.
#[cold]
pub fn fail(text: fmt::Arguments<'_>) -> ! {
    if let Some(text) = text.as_str() {
        host::fail(text.as_bytes());
    }
    host::fail(Text::of(text).written())
}

/// Stops the call with a text about a field of the state, without the code for formatting.
#[cold]
pub fn fail_about(field: &[u8], text: &[u8]) -> ! {
    let mut written = Text::new();
    written.push(b"`");
    written.push(field);
    written.push(b"` ");
    written.push(text);
    host::fail(written.written())
}

/// Stops the call with an encoded custom error and its text.
#[cold]
pub fn fail_with(data: &[u8], text: fmt::Arguments<'_>) -> ! {
    host::fail_with(data, Text::of(text).written())
}

/// Shows a text to the author of the contract.
pub fn debug(text: fmt::Arguments<'_>) {
    host::debug(Text::of(text).written());
}

/// A text of limited length. What is not UTF-8 in it, the runtime replaces.
pub struct Text {
    bytes: [u8; MAX_TEXT_BYTES],
    length: usize,
}

impl Text {
    pub fn new() -> Text {
        Text { bytes: [0; MAX_TEXT_BYTES], length: 0 }
    }

    pub fn written(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    #[inline(never)]
    pub fn push(&mut self, bytes: &[u8]) {
        for (space, byte) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *space = *byte;
            self.length += 1;
        }
    }

    fn of(text: fmt::Arguments<'_>) -> Text {
        let mut written = Text::new();
        // An error only says that the text was cut.
        let _ = written.write_fmt(text);
        written
    }
}

impl Write for Text {
    // Not copied into `write_char`: no contract is in a hurry when it fails, and all carry this.
    #[inline(never)]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(MAX_TEXT_BYTES.saturating_sub(self.length));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.push(text.as_bytes().get(..end).unwrap_or_default());
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut text = Text::new();
        assert_eq!(write!(text, "{}", "x".repeat(MAX_TEXT_BYTES - 3)), Ok(()));
        assert_eq!(write!(text, "é"), Ok(()));
        assert_eq!(write!(text, "é"), Err(fmt::Error));
        assert_eq!(text.length, MAX_TEXT_BYTES - 1);
    }
}
