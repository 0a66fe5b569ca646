//! What is counted: sentences by service, and what callers said in labelled calls.

use include_dir::{Dir, File, include_dir};

/// One folder a language, one file a service, one sentence a line; and two files of calls.
static SENTENCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/data/phrases");
/// One call a line: the service, the first thing of substance the caller says, and all else that the
/// caller says, between tabs. Written by `examples/extract_learn`.
const CALLS: &str = "calls.tsv";
/// The same of calls of which only the beginning was written down.
const OPENINGS: &str = "openings.tsv";
/// The class of what callers say besides what they want.
pub const SMALL_TALK: &str = "none";
/// The class of what callers say who want no work: a wrong number, a cancellation, a job seeker.
pub const IDLE: &str = "nothing";

/// The sentences, each with its class.
pub fn sentences() -> impl Iterator<Item = (&'static str, &'static str)> {
    SENTENCES.dirs().flat_map(Dir::files).flat_map(|file| {
        let class = file.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let lines = file.contents_utf8().unwrap_or_default().lines();
        lines.map(move |line| (class, line))
    })
}

/// The calls that the program brings along.
pub fn built_in_calls() -> &'static str {
    file(CALLS)
}

/// What callers first say in further calls, each with its class.
pub fn openings() -> impl Iterator<Item = (&'static str, String)> {
    calls(file(OPENINGS))
}

fn file(name: &str) -> &'static str {
    SENTENCES.get_file(name).and_then(File::contents_utf8).unwrap_or_default()
}

/// What callers said, each with its class: the first thing, and where there is more, everything.
pub fn calls(source: &str) -> impl Iterator<Item = (&str, String)> {
    source.lines().filter_map(|line| line.split_once('\t')).flat_map(|(class, said)| {
        let (opening, rest) = said.split_once('\t').unwrap_or((said, ""));
        let all = (!rest.is_empty()).then(|| (class, format!("{opening}. {rest}")));
        std::iter::once((class, opening.to_owned())).chain(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::catalogue::{Catalogue, Kind};

    #[test]
    fn every_file_of_examples_is_read_and_names_a_service_of_the_catalogue() {
        let catalogue = Catalogue::built_in().unwrap();
        let files: Vec<_> = SENTENCES.dirs().flat_map(Dir::files).collect();
        assert!(files.len() > 100);
        for file in files {
            let id = file.path().file_stem().and_then(|stem| stem.to_str()).unwrap();
            assert!(file.contents_utf8().is_some_and(|text| text.lines().count() > 4), "{id}");
            assert!(
                [SMALL_TALK, IDLE].contains(&id) || catalogue.get(Kind::Service, id).is_some(),
                "{id}"
            );
        }
    }

    #[test]
    fn every_call_names_a_service_of_the_catalogue_or_none() {
        let catalogue = Catalogue::built_in().unwrap();
        assert!(calls(built_in_calls()).count() > 1000 && openings().count() > 1000);
        for (class, said) in calls(built_in_calls()).chain(openings()) {
            assert!(class == IDLE || catalogue.get(Kind::Service, class).is_some(), "{class}");
            assert!(!said.is_empty());
        }
    }

    #[test]
    fn a_call_counts_by_how_it_begins_and_as_a_whole() {
        let said: Vec<_> = calls("plumber\tit drips\tall night\nnothing\twrong number").collect();
        let expected = [
            ("plumber", "it drips"),
            ("plumber", "it drips. all night"),
            ("nothing", "wrong number"),
        ];
        assert_eq!(said, expected.map(|(class, text)| (class, text.to_owned())));
    }
}
