//! Parts of a whole, after RFC 9110, section 14: as they are asked for, as they come, and as they
//! are cut out here where only the whole comes.

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream};
use twilio::{ByteRange, Stretch};
use warp::http::{StatusCode, header::CONTENT_RANGE};

use super::Problem;

/// Reads a header `Range` with one stretch; several, and what is none, do not count.
pub fn parse(text: &str) -> Option<ByteRange> {
    let (unit, stretch) = text.split_once('=')?;
    let (first, last) = stretch.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    if first.is_empty() {
        return number(last).map(ByteRange::Last);
    }
    let first = number(first)?;
    if last.is_empty() {
        return Some(ByteRange::From(first, None));
    }
    number(last).filter(|last| *last >= first).map(|last| ByteRange::From(first, Some(last)))
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What is sent of what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it, so many bytes where that is known.
    Whole(Option<u64>),
    /// It comes as this part and is sent on as such.
    Given(Stretch),
    /// The whole comes, and this part is sent.
    Cut(Stretch),
}

/// What to send for what was asked and what comes.
///
/// # Errors
/// When the whole is shorter than what was asked for.
pub fn part(
    asked: Option<ByteRange>,
    given: Option<Stretch>,
    length: Option<u64>,
) -> Result<Part, Problem> {
    let (asked, whole) = match (asked, given, length) {
        (_, Some(given), _) => return Ok(Part::Given(given)),
        (Some(asked), None, Some(whole)) => (asked, whole),
        (_, None, length) => return Ok(Part::Whole(length)),
    };
    let end = whole.checked_sub(1).ok_or_else(|| beyond(Some(whole)))?;
    let (first, last) = match asked {
        ByteRange::From(first, last) => (first, last.unwrap_or(end).min(end)),
        ByteRange::Last(count) => (whole.saturating_sub(count), end),
    };
    if first > last {
        return Err(beyond(Some(whole)));
    }
    Ok(Part::Cut(Stretch { first, last, whole }))
}

/// The problem of a stretch that begins after the end.
pub fn beyond(whole: Option<u64>) -> Problem {
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "the recording is shorter than what was asked for",
    );
    match whole {
        Some(whole) => problem.with(CONTENT_RANGE, format!("bytes */{whole}")),
        None => problem,
    }
}

impl Part {
    /// Bytes to leave out at the beginning of what comes.
    pub fn skip(&self) -> u64 {
        match self {
            Self::Cut(stretch) => stretch.first,
            _ => 0,
        }
    }

    /// Bytes to send, where that is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(length) => *length,
            Self::Given(stretch) | Self::Cut(stretch) => Some(stretch.last - stretch.first + 1),
        }
    }

    /// The header `Content-Range`, where it is a part.
    pub fn content_range(&self) -> Option<String> {
        match self {
            Self::Whole(_) => None,
            Self::Given(Stretch { first, last, whole })
            | Self::Cut(Stretch { first, last, whole }) => {
                Some(format!("bytes {first}-{last}/{whole}"))
            }
        }
    }
}

/// Leaves out the first `skip` bytes of a stream and ends after `length` further ones.
pub fn cut<E>(
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    skip: u64,
    length: Option<u64>,
) -> impl Stream<Item = Result<Bytes, E>> {
    let start = (body, skip, length.unwrap_or(u64::MAX));
    stream::unfold(start, |(mut body, mut skip, mut left)| async move {
        while left > 0 {
            let mut piece = match body.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error), (body, skip, 0))),
            };
            let gone = piece.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            piece.advance(gone);
            skip -= gone as u64;
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= piece.len() as u64;
            if !piece.is_empty() {
                return Some((Ok(piece), (body, skip, left)));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stretch_is_read_and_everything_else_does_not_count() {
        assert_eq!(parse("bytes=0-99"), Some(ByteRange::From(0, Some(99))));
        assert_eq!(parse("Bytes= 5-"), Some(ByteRange::From(5, None)));
        assert_eq!(parse("bytes=-7"), Some(ByteRange::Last(7)));
        for other in ["bytes=9-1", "bytes=0-1,3-4", "bytes=", "bytes=-", "items=0-1", "bytes=+1-2"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_cut_out_here_ends_with_the_whole() {
        let cut = |asked| part(Some(asked), None, Some(1000));
        let stretch = |first, last| Ok(Part::Cut(Stretch { first, last, whole: 1000 }));
        assert_eq!(cut(ByteRange::From(990, Some(2000))), stretch(990, 999));
        assert_eq!(cut(ByteRange::Last(5000)), stretch(0, 999));
        for beyond in [ByteRange::From(1000, None), ByteRange::Last(0)] {
            let response = cut(beyond).unwrap_err().into_response("/");
            assert_eq!(response.status(), 416);
            assert_eq!(response.headers()["content-range"], "bytes */1000");
        }
        assert_eq!(part(Some(ByteRange::Last(1)), None, None), Ok(Part::Whole(None)));
    }

    #[tokio::test]
    async fn bytes_are_cut_across_the_pieces_they_come_in() {
        let pieces = ["abc", "def", "ghi"].map(|piece| Ok::<_, ()>(Bytes::from(piece)));
        let sent: Vec<_> = cut(stream::iter(pieces), 4, Some(4)).collect().await;
        assert_eq!(sent, [Ok(Bytes::from("ef")), Ok(Bytes::from("gh"))]);
    }
}
