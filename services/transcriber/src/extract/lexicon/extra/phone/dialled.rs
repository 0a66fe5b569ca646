//! Digits, written or spoken one by one, and whether they make a whole telephone number.

use std::ops::Range;

use domain::E164;

use crate::extract::text::{Break, Text};

/// More digits than two numbers have are a list of something else.
const MAX_DIGITS: usize = 30;

/// Digits that follow each other without a word between.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// The words that are the number; without one, all of the digits'.
    pub tokens: Range<usize>,
    /// How many digits there are.
    pub digits: usize,
    /// The number, where there is one that is whole and no other.
    pub number: Option<E164>,
}

/// All runs of a text, in order. One that is whole ends at a comma.
pub fn runs(text: &Text) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut open = Open::default();
    let mut at = 0;
    while let Some(token) = text.tokens.get(at) {
        let said = Said::at(text, at);
        let ends = match &said {
            None => true,
            Some(_) => {
                token.before >= Break::Question
                    || token.before >= Break::Comma && open.whole(0..open.parts.len()).is_some()
            }
        };
        if ends {
            runs.extend(std::mem::take(&mut open).close());
        }
        at = said.as_ref().map_or(at + 1, |said| said.tokens.end);
        if let Some(said) = said {
            open.push(said);
        }
    }
    runs.extend(open.close());
    runs
}

#[derive(Default)]
struct Open {
    parts: Vec<Said>,
    digits: usize,
    unclear: bool,
}

impl Open {
    fn push(&mut self, said: Said) {
        self.digits += said.digits.len();
        self.unclear |= said.unclear || self.digits > MAX_DIGITS;
        match self.parts.last_mut() {
            Some(last) if self.digits > MAX_DIGITS => last.tokens.end = said.tokens.end,
            _ => self.parts.push(said),
        }
    }

    fn whole(&self, parts: Range<usize>) -> Option<E164> {
        let parts = self.parts.get(parts)?;
        if self.unclear || parts.iter().map(|part| part.digits.len()).sum::<usize>() > 12 {
            return None;
        }
        number(&parts.iter().map(|part| part.digits.as_str()).collect::<String>())
    }

    fn close(self) -> Option<Run> {
        let all = 0..self.parts.len();
        let run = |parts: Range<usize>, number| {
            let (first, last) = (self.parts.get(parts.start)?, self.parts.get(parts.end - 1)?);
            Some(Run { tokens: first.tokens.start..last.tokens.end, digits: self.digits, number })
        };
        if all.is_empty() {
            return None;
        }
        if let Some(number) = self.whole(all.clone()) {
            return run(all, Some(number));
        }
        // "Entrance 1, 0541234567": a part that stands for itself, if it is the only one.
        let apart = |at: usize| self.parts.get(at).is_none_or(|part| at == 0 || part.apart);
        let starts = all.clone().filter(|at| apart(*at));
        let spans = starts.flat_map(|start| {
            (start + 1..=all.end).filter(|end| apart(*end)).map(move |end| start..end)
        });
        let singles = all.clone().map(|at| at..at + 1);
        let mut found: Option<(Range<usize>, E164)> = None;
        for (span, number) in spans.chain(singles).filter_map(|s| Some((s.clone(), self.whole(s)?)))
        {
            match &found {
                Some((_, known)) if *known == number => {}
                Some(_) => return run(all, None),
                None => found = Some((span, number)),
            }
        }
        match found {
            Some((span, number)) => run(span, Some(number)),
            None => run(all, None),
        }
    }
}

/// A word or two that stand for digits.
struct Said {
    tokens: Range<usize>,
    digits: String,
    /// Whether a comma or more stands before.
    apart: bool,
    /// Whether it may mean more digits than it says: "פעמיים".
    unclear: bool,
}

impl Said {
    fn at(text: &Text, at: usize) -> Option<Self> {
        let token = text.tokens.get(at)?;
        let word = text.word(token);
        let apart = token.before >= Break::Comma;
        let times = match word {
            "double" => 2,
            "triple" => 3,
            "כפול" | "פעמימ" | "פעמיימ" => {
                return Some(Self {
                    tokens: at..at + 1,
                    digits: String::new(),
                    apart,
                    unclear: true,
                });
            }
            _ => {
                let digits = said_digits(word);
                let said =
                    Self { tokens: at..at + 1, digits: digits.to_owned(), apart, unclear: false };
                return (!digits.is_empty()).then_some(said);
            }
        };
        let next = text.tokens.get(at + 1)?;
        let digit = said_digits(text.word(next));
        let unclear = digit.len() != 1;
        (!digit.is_empty()).then(|| Self {
            tokens: at..at + 2,
            digits: digit.repeat(times),
            apart,
            unclear,
        })
    }
}

/// Israel's numbers by its numbering plan (area codes 2, 3, 4, 8, 9 and seven digits; 5x and 7x
/// and seven digits), from home or with 972; North America's by theirs (area code and exchange
/// begin with 2 to 9 and are no service code such as 911), with or without the 1.
fn number(digits: &str) -> Option<E164> {
    let whole = match digits.as_bytes() {
        [b'0', rest @ ..] if is_israeli(rest) => format!("+972{}", digits.get(1..)?),
        [b'9', b'7', b'2', rest @ ..] if is_israeli(rest) => format!("+{digits}"),
        [b'1', rest @ ..] if is_american(rest) => format!("+{digits}"),
        all if is_american(all) => format!("+1{digits}"),
        _ => return None,
    };
    whole.parse().ok()
}

fn is_israeli(digits: &[u8]) -> bool {
    match digits {
        [b'2' | b'3' | b'4' | b'8' | b'9', b'2'..=b'9', rest @ ..] => rest.len() == 6,
        [b'5', _, rest @ ..] | [b'7', b'2'..=b'9', rest @ ..] => rest.len() == 7,
        _ => false,
    }
}

fn is_american(digits: &[u8]) -> bool {
    let code = |code: &[u8]| matches!(code, [b'2'..=b'9', rest @ ..] if rest != b"11");
    match digits {
        [area @ .., _, _, _, _, _, _, _] if area.len() == 3 => {
            code(area) && digits.get(3..6).is_some_and(code)
        }
        _ => false,
    }
}

fn said_digits(word: &str) -> &str {
    match word {
        "zero" | "oh" | "o" | "אפס" => "0",
        "one" | "אחת" | "אחד" => "1",
        "two" | "שתימ" | "שניימ" | "שתיימ" => "2",
        "three" | "שלוש" => "3",
        "four" | "ארבע" => "4",
        "five" | "חמש" => "5",
        "six" | "שש" => "6",
        "seven" | "שבע" => "7",
        "eight" | "שמונה" => "8",
        "nine" | "תשע" => "9",
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_one_of_a_country() {
        let number = |digits: &str| number(digits).map(String::from);
        for (digits, whole) in [
            ("0525550123", "+972525550123"),
            ("036123456", "+97236123456"),
            ("0771234567", "+972771234567"),
            ("972525550123", "+972525550123"),
            ("97236123456", "+97236123456"),
            ("2165550183", "+12165550183"),
            ("12165550183", "+12165550183"),
            ("9725550123", "+19725550123"),
        ] {
            assert_eq!(number(digits).as_deref(), Some(whole), "{digits}");
        }
        for no in [
            "",
            "12",
            "1234567",
            "012345678",
            "052555012",
            "0361234567",
            "0112345678",
            "10541234567",
            "1165550183",
            "2161550183",
            "9115550183",
            "2169110183",
            "998525550123",
            "000000000000000000",
            "123456789012345",
        ] {
            assert_eq!(number(no), None, "{no}");
        }
    }

    #[test]
    fn a_run_is_one_number_or_none() {
        let number = |text: &str| {
            let runs = runs(&Text::new(text));
            runs.into_iter().find_map(|run| run.number).map(String::from)
        };
        let mobile = Some("+972541234567");
        for (text, whole) in [
            ("054-123-4567", mobile),
            ("054, 123, 4567", mobile),
            ("+972 54 123 4567", mobile),
            ("apartment 2 entrance 1 0541234567", mobile),
            ("entrance 1, 054 123 4567", mobile),
            ("0541234567, 5 rooms", mobile),
            ("0541234567, 0541234567", mobile),
            ("(216) 555-0183.", Some("+12165550183")),
            ("two one six double five five oh one eight three", Some("+12165550183")),
            ("two one six triple five oh one eight three", Some("+12165550183")),
            ("two one six double 55 5 0 1 8 3", None),
            ("אפס חמש פעמיים ארבע אחת שתיים שלוש ארבע חמש שש", None),
            ("4580 1234 5678 9012", None),
            ("054 123 4567 8", None),
            (
                "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 0 5 4 1 2 3 4 5 6 7",
                None,
            ),
        ] {
            assert_eq!(number(text).as_deref(), whole, "{text}");
        }
    }
}
