//! What the papers promise: links that lead somewhere, commands that exist, decisions that are numbered.

use super::File;
use crate::workspace::Workspace;
use std::path::Path;

pub fn check(workspace: &Workspace, files: &[File], problems: &mut Vec<String>) {
    let makefile = files.iter().find(|file| file.path == "Makefile").map_or("", File::text);
    for file in files.iter().filter(|file| file.is(&["md"])) {
        for (number, words) in code_words(file) {
            if let ["make", target, ..] = words[..]
                && target.starts_with(|c: char| c.is_ascii_lowercase())
                && !makefile.lines().any(|line| line.starts_with(&format!("{target}:")))
            {
                problems.push(format!("{}:{number}: `make {target}` is not a target of the Makefile", file.path));
            }
        }
        for (number, link) in links(file) {
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            if !workspace.root.join(folder).join(link).exists() {
                problems.push(format!("{}:{number}: the link to {link} leads nowhere", file.path));
            }
        }
    }
    decisions(files, problems);
}

/// Command lines of a document: each inline code span and each line of a code block, in words.
fn code_words(file: &File) -> impl Iterator<Item = (usize, Vec<&str>)> {
    prose_and_code(file).flat_map(|(number, line, in_block)| {
        let spans: Vec<&str> = if in_block { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        spans.into_iter().map(move |span| (number, span.trim_start_matches("$ ").split_whitespace().collect()))
    })
}

/// Relative links outside code blocks, without their anchors.
fn links(file: &File) -> impl Iterator<Item = (usize, &str)> {
    prose_and_code(file).filter(|(_, _, in_block)| !in_block).flat_map(|(number, line, _)| {
        line.split("](").skip(1).filter_map(move |rest| {
            let link = rest.split([')', '#', ' ']).next()?;
            (!link.is_empty() && !link.contains("://") && !link.starts_with("mailto:")).then_some((number, link))
        })
    })
}

/// Lines with their numbers and whether they stand in a code block.
fn prose_and_code(file: &File) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut in_block = false;
    file.lines().map(move |(number, line)| {
        let line = line.trim();
        let fence = line.starts_with("```");
        in_block ^= fence;
        (number, line, in_block && !fence)
    })
}

/// `docs/adr/NNNN-title.md`, from 0001 without gap or repetition.
fn decisions(files: &[File], problems: &mut Vec<String>) {
    let mut expected = 1;
    let mut names: Vec<&str> = files.iter().filter_map(|file| file.path.strip_prefix("docs/adr/")).collect();
    names.retain(|name| *name != "README.md");
    names.sort_unstable();
    for name in names {
        let number: Option<u32> =
            name.split_once('-').filter(|(digits, _)| digits.len() == 4).and_then(|(digits, _)| digits.parse().ok());
        match number {
            Some(number) if number == expected => expected += 1,
            _ => problems.push(format!("docs/adr/{name}: the next decision is docs/adr/{expected:04}-title.md")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), bytes: 0, text: Some(text.into()) }
    }

    #[test]
    fn commands_and_links_are_found_where_they_are_meant() {
        let readme = file(
            "README.md",
            "make sure; `make demo`, `cargo test`, [a](docs/a.md#x) [b](https://b.example) [c](#here)\n\
             ```sh\n$ make nothing   # [d](e)\n```\n[f](g \"title\")\n",
        );
        let made: Vec<_> =
            code_words(&readme).filter(|(_, words)| words.first() == Some(&"make")).map(|(n, w)| (n, w[1])).collect();
        assert_eq!(made, [(1, "demo"), (3, "nothing")]);
        assert_eq!(links(&readme).collect::<Vec<_>>(), [(1, "docs/a.md"), (5, "g")]);
    }

    #[test]
    fn decisions_are_numbered_without_gaps() {
        let check = |names: &[&str]| {
            let files: Vec<_> = names.iter().map(|name| file(&format!("docs/adr/{name}"), "")).collect();
            let mut problems = Vec::new();
            decisions(&files, &mut problems);
            problems.len()
        };
        assert_eq!(check(&["README.md", "0001-a.md", "0002-b.md"]), 0);
        assert_eq!(check(&["0002-b.md"]), 1);
        assert_eq!(check(&["0001-a.md", "0001-b.md"]), 1);
        assert_eq!(check(&["0001-a.md", "notes.md"]), 1);
    }
}
