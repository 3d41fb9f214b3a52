//! What the source and the tests cite of `docs/` exists there, and what `docs/` names exists in the source and the tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 6] = ["recreate", "check", "abi", "history", "volumes", "services"];

/// Folders and files whose comments may cite a rule.
const CITING: [&str; 9] = ["src", "tests", "bindings", "examples", "benches", "include", "build.rs", "Makefile", "cbindgen.toml"];

const WHOLE_PAGE: &str = "it names no section and no case";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of ours below a folder, or the file itself, with its text. This file holds citations that are wrong on purpose.
fn texts(place: &Path, found: &mut Vec<(PathBuf, String)>) {
    if place.is_dir() {
        // What npm has put there is other people's.
        if place.ends_with("node_modules") || place.ends_with("dist") {
            return;
        }
        for entry in fs::read_dir(place).unwrap() {
            texts(&entry.unwrap().path(), found);
        }
    } else if place.extension().is_none_or(|extension| extension != "md") && !place.ends_with("tests/it/docs.rs") {
        found.extend(fs::read_to_string(place).ok().map(|text| (place.to_owned(), text)));
    }
}

fn citing() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for place in CITING {
        texts(&root().join(place), &mut found);
    }
    assert!(found.len() > 100, "the sources are not where they were");
    found
}

/// A page of `docs/`; `None` where there is none.
fn page(name: &str) -> Option<String> {
    fs::read_to_string(root().join("docs").join(format!("{name}.md"))).ok()
}

/// The numbers of a page's headings: `3`, `3.5`.
fn sections(page: &str) -> BTreeSet<&str> {
    let headings = page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with("##")));
    headings.filter_map(|heading| heading.split(' ').next()).map(|number| number.trim_end_matches('.')).collect()
}

/// The cases of a page: `r07`.
fn cases(page: &str) -> BTreeSet<&str> {
    page.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Why the citations in a text are wrong. A comment may break a citation over two lines.
fn wrong(text: &str) -> Vec<String> {
    let joined = text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!', '*', '#', ' '])).collect::<Vec<_>>().join(" ");
    let mut wrong = Vec::new();
    for (at, _) in joined.match_indices(".md") {
        let (before, after) = (&joined[..at], &joined[at + ".md".len()..]);
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').next().unwrap_or_default();
        if !PAGES.contains(&name) {
            continue;
        }
        let cited: String = after.chars().take(24).collect();
        match is_wrong(name, before, after) {
            None => {}
            Some(why) => wrong.push(format!("{name}.md{cited}: {why}")),
        }
    }
    wrong
}

fn is_wrong(name: &str, before: &str, after: &str) -> Option<String> {
    if !before.ends_with(&format!("docs/{name}")) {
        return Some("the folder docs/ is missing".into());
    }
    let Some(page) = page(name) else { return Some("there is no such page".into()) };
    let word = |text: &str| text.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    if let Some(case) = after.strip_prefix('#') {
        return (!cases(&page).contains(word(case).as_str())).then(|| "there is no such case".into());
    }
    let Some(numbers) = after.strip_prefix(", section ").or_else(|| after.strip_prefix(", sections ")) else {
        return Some(WHOLE_PAGE.into());
    };
    let number =
        |text: &str| text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect::<String>().trim_end_matches('.').to_owned();
    let first = number(numbers);
    let others = numbers[first.len()..].strip_prefix(" and ").or_else(|| numbers[first.len()..].strip_prefix(" to "));
    let all = std::iter::once(first).chain(others.map(number).filter(|number| !number.is_empty()));
    let missing: Vec<String> = all.filter(|number| !sections(&page).contains(number.as_str())).collect();
    (!missing.is_empty()).then(|| format!("there is no section {}", missing.join(" and ")))
}

/// The cases that a text names: in names of tests (`r07_to_r11_…` names all from the first to the last), and as `R07`.
fn named(text: &str) -> BTreeSet<String> {
    let is_case = |word: &str| word.len() == 3 && word.starts_with(['r', 'c']) && word[1..].bytes().all(|byte| byte.is_ascii_digit());
    let mut named = BTreeSet::new();
    for name in text.split("fn ").skip(1) {
        let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let words: Vec<&str> = name.split('_').collect();
        for (at, word) in words.iter().enumerate().filter(|(_, word)| is_case(word)) {
            named.insert((*word).to_owned());
            if let (Some(&"to"), Some(last)) = (words.get(at + 1), words.get(at + 2)) {
                let number = |word: &str| word[1..].parse::<u32>().unwrap_or_default();
                named.extend((number(word)..=number(last)).map(|number| format!("{}{number:02}", &word[..1])));
            }
        }
    }
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let lower = word.to_ascii_lowercase();
        if word.starts_with(['R', 'C']) && is_case(&lower) {
            named.insert(lower);
        }
    }
    named
}

#[test]
fn every_citation_names_a_section_or_a_case_that_exists() {
    let wrong: Vec<String> =
        citing().iter().flat_map(|(path, text)| wrong(text).into_iter().map(|why| format!("{}: {why}", path.display()))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_citation_without_its_folder_or_with_a_wrong_number_is_found() {
    for (text, is_right) in [
        ("// docs/recreate.md, section 3.5", true),
        ("// docs/recreate.md, sections 3 and 4.", true),
        ("//! docs/recreate.md,\n//! section 3", true),
        ("// docs/recreate.md#r07: a command", true),
        ("// recreate.md, section 3", false),
        ("// docs/recreate.md", false),
        ("// docs/recreate.md, section 99", false),
        ("// docs/recreate.md, sections 3 and 99", false),
        ("// docs/check.md#c99", false),
        ("// docs/volumes.md, section 99", false),
    ] {
        assert_eq!(wrong(text).is_empty(), is_right, "{text}: {:?}", wrong(text));
    }
}

/// README and the like may name a page as a whole; the pages name each other in the same form as the source does.
#[test]
fn pages_and_sections_that_the_documents_name_exist() {
    let mut documents: Vec<PathBuf> = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    documents.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let wrong: Vec<String> = wrong(&text).into_iter().filter(|why| !why.ends_with(WHOLE_PAGE)).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", document.display());
    }
}

/// A file whose comments count steps says where they are.
#[test]
fn steps_are_cited_with_their_page() {
    let counts = |text: &str| {
        text.match_indices("tep").any(|(at, _)| {
            text[at + 3..].trim_start_matches('s').starts_with([' '])
                && text[at + 3..].trim_start_matches('s')[1..].starts_with(|c: char| c.is_ascii_digit())
        })
    };
    let uncited: Vec<PathBuf> = citing()
        .into_iter()
        .filter(|(path, text)| {
            path.starts_with(root().join("src/container")) && counts(text) && !text.contains("docs/recreate.md, section 4")
        })
        .map(|(path, _)| path)
        .collect();
    assert!(uncited.is_empty(), "{uncited:?}");
}

#[test]
fn every_case_has_a_test_and_every_test_of_a_case_has_its_line() {
    let (recreate, check) = (page("recreate").unwrap(), page("check").unwrap());
    let documented: BTreeSet<String> = cases(&recreate).into_iter().chain(cases(&check)).map(str::to_owned).collect();
    let rust = citing().into_iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"));
    let tested: BTreeSet<String> = rust.flat_map(|(_, text)| named(&text)).collect();
    let missing = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(
        (missing(&documented, &tested), missing(&tested, &documented)),
        (vec![], vec![]),
        "without a test, and without a line in docs/"
    );
}

#[test]
fn every_decision_of_a_recovery_is_in_its_table() {
    let source = fs::read_to_string(root().join("src/container/recover/table.rs")).unwrap();
    let decisions = source.split("enum Decision {").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    let decisions = decisions.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let page = page("recreate").unwrap();
    let missing: Vec<&str> =
        decisions.map(|line| line.trim_end_matches(',')).filter(|decision| !page.contains(&format!("| `{decision}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
