//! A recording's media, from Twilio to a temporary file.

mod download;

use std::{io::Read, path::Path, time::Duration};

use domain::{AccountSid, RecordingSid};
use tempfile::TempPath;
use twilio::{Client, MediaFormat, TwilioError};
use url::Url;

use self::download::{Download, Place};
use crate::{audio::Container, temporary};

/// What a download may cost.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Largest file, in bytes.
    pub max_bytes: u64,
    /// Longest time, from the first request to the last byte.
    pub timeout: Duration,
}

/// A download that holds audio.
#[derive(Debug)]
pub struct Fetched {
    /// The file, deleted with the value.
    pub file: TempPath,
    /// Whether the file is shorter than its own header says.
    pub is_cut_off: bool,
    /// Whether the recording has several channels and this is all of them in one.
    pub is_mixed: bool,
}

/// Why there is no media.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Twilio does not have it: not yet, or not any more.
    #[error("the media is not there")]
    NotThere,
    /// It is larger than allowed.
    #[error(
        "the media is larger than the {max_bytes} bytes allowed by transcriber.max_media_bytes"
    )]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// It has several channels, and no form of it that keeps them apart can be had.
    #[error("Twilio does not give the channels apart: {0}")]
    NotApart(Box<FetchError>),
    /// It took too long.
    #[error("the download took longer than {seconds} s")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// The connection ended before all of it had come.
    #[error("the download ended after {received} of {expected} bytes")]
    Incomplete {
        /// Bytes that came.
        received: u64,
        /// Bytes that were announced.
        expected: u64,
    },
    /// What came is no audio, whatever it was called.
    #[error("what Twilio sent is neither a WAV nor an MP3 file ({bytes} bytes)")]
    NotAudio {
        /// How much came.
        bytes: u64,
    },
    /// The place outside Twilio where the account keeps it did not give it.
    #[error("the account keeps its recordings outside Twilio, and that place answers {status}")]
    Outside {
        /// The HTTP status.
        status: u16,
    },
    /// Twilio did not give it.
    #[error(transparent)]
    Twilio(TwilioError),
    /// The temporary file could not be written.
    #[error("temporary file: {0}")]
    Io(#[from] std::io::Error),
}

impl From<TwilioError> for FetchError {
    fn from(error: TwilioError) -> Self {
        match error {
            TwilioError::NotFound { .. } => Self::NotThere,
            other => Self::Twilio(other),
        }
    }
}

/// Whether one channel will do for a recording that has several: then nobody knows who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// Only forms that keep the channels apart.
    Apart,
    /// Any, those that keep them apart first.
    Any,
}

/// What Twilio says about the media of a recording.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// How many channels it has: of one that has one only, two are not asked for.
    pub channels: Option<u16>,
    /// Where it is when the account keeps it outside Twilio.
    pub outside: Option<Url>,
}

/// Fetches a recording's media: from Twilio, and where Twilio has none from the place that it names.
///
/// # Errors
/// When none of the forms of the media can be had whole within the limits.
pub async fn fetch(
    client: &Client,
    account: &AccountSid,
    recording: &RecordingSid,
    listed: &Listed,
    forms: Forms,
    folder: &Path,
    limits: FetchLimits,
) -> Result<Fetched, FetchError> {
    let work = async {
        let mut refused = None;
        for place in listed.places(forms) {
            let max_bytes = limits.max_bytes;
            let download = Download { client, account, recording, place: &place, max_bytes };
            match attempt(&download, folder).await {
                Err(error) if is_about_the_form(&error) => refused = refused.or(Some(error)),
                // One form that is not there says less than another that was refused.
                Err(FetchError::NotThere) if refused.is_some() || listed.outside.is_some() => {}
                Ok(fetched) => {
                    let is_mixed = listed.has_several_channels() && place.is_mixed();
                    return Ok(Fetched { is_mixed, ..fetched });
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            None => Err(FetchError::NotThere),
            Some(error) if forms == Forms::Apart && listed.has_several_channels() => {
                Err(FetchError::NotApart(Box::new(error)))
            }
            Some(error) => Err(error),
        }
    };
    tokio::time::timeout(limits.timeout, work)
        .await
        .unwrap_or(Err(FetchError::Timeout { seconds: limits.timeout.as_secs() }))
}

impl Listed {
    fn has_several_channels(&self) -> bool {
        self.channels.is_some_and(|channels| channels > 1)
    }

    /// What is asked for, the best first: both channels apart, losslessly. Mixed and lossless comes
    /// before apart and lossy only where there may be one channel anyway.
    fn places(&self, forms: Forms) -> Vec<Place> {
        use MediaFormat::{Mp3, Wav};
        let wishes: &[_] = match (self.channels, forms) {
            (Some(1), _) => &[(Wav, None), (Mp3, None)],
            (None | Some(0), _) => &[(Wav, Some(2)), (Wav, None), (Mp3, Some(2)), (Mp3, None)],
            (_, Forms::Apart) => &[(Wav, Some(2)), (Mp3, Some(2))],
            (_, Forms::Any) => &[(Wav, Some(2)), (Mp3, Some(2)), (Wav, None), (Mp3, None)],
        };
        let at_twilio = wishes.iter().map(|(format, asked)| Place::Twilio(*format, *asked));
        at_twilio.chain(self.outside.clone().map(Place::Outside)).collect()
    }
}

/// Whether another form of the same media may be had where this one was not.
fn is_about_the_form(error: &FetchError) -> bool {
    matches!(error, FetchError::Twilio(TwilioError::Api { .. }) | FetchError::NotAudio { .. })
}

async fn attempt(download: &Download<'_>, folder: &Path) -> Result<Fetched, FetchError> {
    let file = temporary::builder().tempfile_in(folder)?;
    let (open, file) = file.into_parts();
    let bytes = match (download.save(open).await, download.place) {
        // Nobody gave us credentials for that place.
        (Err(FetchError::Twilio(TwilioError::Forbidden { status, .. })), Place::Outside(_)) => {
            return Err(FetchError::Outside { status });
        }
        (saved, _) => saved?,
    };
    let is_cut_off = examined(&file, bytes)?;
    Ok(Fetched { file, is_cut_off, is_mixed: false })
}

/// Looks at the first bytes; tells whether a WAV is shorter than it says.
fn examined(file: &Path, bytes: u64) -> Result<bool, FetchError> {
    let mut head = Vec::new();
    std::fs::File::open(file)?.take(12).read_to_end(&mut head)?;
    match Container::of(&head) {
        None => Err(FetchError::NotAudio { bytes }),
        Some(Container::Mp3) => Ok(false),
        Some(Container::Wav) => {
            let said = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            // Files written as a stream say 0 or the largest number there is.
            let is_known = said != 0 && said < 0xffff_ff00;
            Ok(is_known && bytes < u64::from(said))
        }
    }
}
