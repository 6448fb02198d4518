//! Looks for texts and numbers in everything that the hosts of a network wrote.

use anyhow::Context;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Something to look for, in all the forms it might take.
pub struct Needle {
    /// What it is.
    pub name: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Needle {
    /// A number: as the ABI encodes it, as processors do, in hexadecimal, in digits.
    pub fn number(name: impl Into<String>, number: u64) -> Self {
        let mut word = [0; 32];
        let (_, low) = word.split_at_mut(24);
        low.copy_from_slice(&number.to_be_bytes());
        let mut reversed = word;
        reversed.reverse();
        Self {
            name: name.into(),
            forms: vec![
                ("as an ABI word", word.to_vec()),
                ("as a little-endian word", reversed.to_vec()),
                ("as a hexadecimal word", hex::encode(word).into_bytes()),
                ("in digits", number.to_string().into_bytes()),
            ],
        }
    }

    /// A text as it is framed before it is sealed: its length in four bytes, then the text. (The bare text of a function's
    /// name stands in the contract's code, which is public.)
    pub fn sealed_text(name: impl Into<String>, text: &str) -> Self {
        let mut framed = u32::try_from(text.len()).unwrap_or_default().to_be_bytes().to_vec();
        framed.extend(text.as_bytes());
        let hex = hex::encode(&framed).into_bytes();
        Self { name: name.into(), forms: vec![("framed", framed), ("framed, in hexadecimal", hex)] }
    }

    /// Bytes that are public, to see that the search finds what is there.
    pub fn bytes(name: impl Into<String>, bytes: &[u8]) -> Self {
        let hex = hex::encode(bytes).into_bytes();
        Self { name: name.into(), forms: vec![("as bytes", bytes.to_vec()), ("in hexadecimal", hex)] }
    }

    /// In which form it stands in `bytes`, if it does.
    pub fn form_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let is_in = |form: &[u8]| !form.is_empty() && bytes.windows(form.len()).any(|window| window == form);
        self.forms.iter().find(|(_, form)| is_in(form)).map(|(name, _)| *name)
    }
}

/// Something that was searched.
pub struct Haystack {
    /// Where it is from.
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// All files below a folder.
///
/// # Errors
/// One cannot be read.
pub fn files_below(folder: &Path) -> anyhow::Result<Vec<Haystack>> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                files.push(Haystack { name, bytes });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Where needles stand, in words.
pub fn find(needles: &[Needle], haystacks: &[Haystack]) -> Vec<String> {
    let mut found = Vec::new();
    for haystack in haystacks {
        for needle in needles {
            if let Some(form) = needle.form_in(&haystack.bytes) {
                found.push(format!("{} {form} in {}", needle.name, haystack.name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found() {
        let needles = [Needle::number("the number", 7_341_902_218), Needle::sealed_text("the function", "f()")];
        let check = |bytes: &[u8], expected: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("deep")).unwrap();
            fs::write(folder.path().join("deep/file"), bytes).unwrap();
            assert_eq!(find(&needles, &files_below(folder.path()).unwrap()), expected);
        };
        let word = hex::decode(format!("{:064x}", 7_341_902_218_u64)).unwrap();
        let reversed: Vec<u8> = word.iter().rev().copied().collect();
        check(b"nothing", &[]);
        check(&[b"x", word.as_slice()].concat(), &["the number as an ABI word in deep/file"]);
        check(&reversed, &["the number as a little-endian word in deep/file"]);
        check(hex::encode(&word).as_bytes(), &["the number as a hexadecimal word in deep/file"]);
        check(b"has 7341902218 coins", &["the number in digits in deep/file"]);
        check(b"\0\0\0\x03f()", &["the function framed in deep/file"]);
        check(b"f()", &[]);
    }
}
