#![no_main]

use std::sync::LazyLock;

use callscribe_transcriber::extract::Lexicon;

#[path = "../targets/extract.rs"]
mod targets;

static LEXICON: LazyLock<Lexicon> = LazyLock::new(targets::lexicon);

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::extract(&LEXICON, data));
