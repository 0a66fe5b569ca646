//! Payment card numbers in what people say and engines write.
//!
//! Source: ISO/IEC 7812-1: 8 to 19 digits, the last a check digit after Luhn's formula (13 and more
//! in use); the first digit tells the industry, 2 to 6 for payment cards.

use std::ops::Range;

use super::spoken::{self, Word};

/// Digits of a card number.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// The most characters between two groups of digits: "4242 - 4242".
const LONGEST_GAP: usize = 4;

/// Digits that stand or were said together, and where.
struct Group {
    digits: Vec<u8>,
    text: usize,
    span: Range<usize>,
}

/// What a text consists of, as far as it matters here.
enum Piece {
    Digits(Vec<u8>, Range<usize>),
    Word(Word, Range<usize>),
    /// Something that cannot stand within a number.
    Other,
}

/// Where card numbers stand in texts that follow each other.
pub(super) fn find(texts: &[Vec<char>]) -> Vec<(usize, Range<usize>)> {
    let mut found = Vec::new();
    for run in runs(texts) {
        let mut start = 0;
        while start < run.len() {
            match longest_card(&run[start..]) {
                Some(groups) => {
                    let card = run[start..start + groups].iter();
                    found.extend(card.map(|group| (group.text, group.span.clone())));
                    start += groups;
                }
                None => start += 1,
            }
        }
    }
    found
}

/// Whether texts that follow each other begin or end with digits, written or said: within a number
/// that may have begun before them, or may go on behind them.
pub(super) fn begin_or_end_within(texts: &[Vec<char>]) -> bool {
    let is_said = |piece: &Piece| !matches!(piece, Piece::Word(Word::Hesitation, _));
    let pieces: Vec<Piece> = texts.iter().flat_map(|text| pieces(text)).filter(is_said).collect();
    let ends = [pieces.first(), pieces.last()];
    ends.into_iter().flatten().any(|piece| !matches!(piece, Piece::Other))
}

/// How many groups from the first on make the longest card number.
fn longest_card(run: &[Group]) -> Option<usize> {
    let mut digits = Vec::new();
    let mut longest = None;
    for (place, group) in run.iter().enumerate() {
        digits.extend(&group.digits);
        if digits.len() > *DIGITS.end() {
            break;
        }
        if DIGITS.contains(&digits.len()) && (2..=6).contains(&digits[0]) && checks(&digits) {
            longest = Some(place + 1);
        }
    }
    longest
}

/// Luhn's formula.
fn checks(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit) << (place % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Groups of digits with nothing but blanks, punctuation and hesitation in between.
fn runs(texts: &[Vec<char>]) -> Vec<Vec<Group>> {
    let mut runs = vec![Vec::new()];
    for (text, chars) in texts.iter().enumerate() {
        let mut pieces = pieces(chars).into_iter().peekable();
        while let Some(piece) = pieces.next() {
            let (digits, span) = match piece {
                Piece::Digits(digits, span) => (digits, span),
                Piece::Word(Word::Hesitation, _) => continue,
                Piece::Word(Word::Digit(digit), span) => (vec![digit], span),
                Piece::Word(Word::Teen(number), span) => (vec![1, number], span),
                Piece::Word(Word::Tens(tens), span) => match pieces.peek() {
                    Some(Piece::Word(Word::Digit(digit @ 1..), last)) => {
                        let both = (vec![tens, *digit], span.start..last.end);
                        pieces.next();
                        both
                    }
                    _ => (vec![tens, 0], span),
                },
                Piece::Word(Word::Times(times), span) => match pieces.peek() {
                    Some(Piece::Word(Word::Digit(digit), last)) => {
                        let all = (vec![*digit; times], span.start..last.end);
                        pieces.next();
                        all
                    }
                    Some(Piece::Digits(digits, last)) if digits.len() == 1 => {
                        let all = (vec![digits[0]; times], span.start..last.end);
                        pieces.next();
                        all
                    }
                    _ => {
                        runs.push(Vec::new());
                        continue;
                    }
                },
                Piece::Other => {
                    runs.push(Vec::new());
                    continue;
                }
            };
            if let Some(run) = runs.last_mut() {
                run.push(Group { digits, text, span });
            }
        }
    }
    runs
}

fn pieces(chars: &[char]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let span = |is_part: fn(&char) -> bool| {
            at..at + chars[at..].iter().take_while(|c| is_part(c)).count()
        };
        let span = if chars[at].is_ascii_digit() {
            let span = span(char::is_ascii_digit);
            let digits = chars[span.clone()].iter().filter_map(|c| c.to_digit(10));
            pieces.push(Piece::Digits(digits.map(|digit| digit as u8).collect(), span.clone()));
            span
        } else if chars[at].is_alphanumeric() {
            let span = span(|c| c.is_alphanumeric() && !c.is_ascii_digit());
            let word: String = chars[span.clone()].iter().flat_map(|c| c.to_lowercase()).collect();
            let known = spoken::word(&word).map(|word| Piece::Word(word, span.clone()));
            pieces.push(known.unwrap_or(Piece::Other));
            span
        } else {
            let span = span(|c| !c.is_alphanumeric());
            // A plus begins a telephone number, which is none of a card's.
            if span.len() > LONGEST_GAP || chars[span.clone()].contains(&'+') {
                pieces.push(Piece::Other);
            }
            span
        };
        at = span.end;
    }
    pieces
}
