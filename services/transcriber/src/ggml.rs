//! Model files as whisper.cpp reads them, looked through before it does.
//!
//! whisper.cpp believes what stands in a file: one that is cut off or is something else ends in
//! wrong weights or ends the process. So the layout is walked first: a head, then tensors, each with
//! its own length, to the end of the file. Source: `whisper_model_load` and
//! `whisper_vad_init_with_params` of whisper.cpp 1.8.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read},
    path::Path,
};

/// The first four bytes of every file.
const MAGIC: u32 = 0x6767_6d6c;

/// More than any vocabulary, name or list of sizes has: what is longer is no such file.
const MOST: u32 = 100_000;

/// Encoder layers of tiny, base, small, medium and large; whisper.cpp knows no other.
const LAYERS: [u32; 5] = [4, 6, 12, 24, 32];

/// Why a file is no model.
#[derive(Debug, thiserror::Error)]
pub enum WrongModel {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// It ends too early.
    #[error("it is cut off: fetch it again")]
    CutOff,
    /// It is no model of the kind that is needed.
    #[error("it is no ggml model of {0}")]
    Other(&'static str),
    /// It is a model without weights, as whisper.cpp's own tests use it.
    #[error("it holds no weights")]
    Weightless,
}

impl From<std::io::Error> for WrongModel {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Unreadable(error),
        }
    }
}

/// Looks through a Whisper model.
///
/// # Errors
/// When whisper.cpp should not be given the file.
pub fn check_whisper(path: &Path) -> Result<(), WrongModel> {
    let mut walk = Walk::open(path, "Whisper")?;
    let [_, _, _, _, audio_layers, _, _, _, _, _, _] = walk.numbers()?;
    if !LAYERS.contains(&audio_layers) {
        return Err(walk.other());
    }
    let [mels, spectrum] = walk.numbers()?;
    walk.skip(u64::from(walk.small(mels)?) * u64::from(walk.small(spectrum)?) * 4)?;
    let [words] = walk.numbers()?;
    for _ in 0..walk.small(words)? {
        let [length] = walk.numbers()?;
        walk.skip(walk.small(length)?.into())?;
    }
    walk.tensors()
}

/// Looks through a Silero model.
///
/// # Errors
/// When whisper.cpp should not be given the file.
pub fn check_silero(path: &Path) -> Result<(), WrongModel> {
    let mut walk = Walk::open(path, "Silero")?;
    let [name] = walk.numbers()?;
    walk.skip(walk.small(name)?.into())?;
    let [_, _, _, _window, _context, encoder_layers] = walk.numbers()?;
    // Three numbers a layer, and four of the layers behind them.
    walk.skip(u64::from(walk.small(encoder_layers)?) * 12 + 16)?;
    walk.tensors()
}

struct Walk {
    file: BufReader<File>,
    left: u64,
    kind: &'static str,
}

impl Walk {
    fn open(path: &Path, kind: &'static str) -> Result<Self, WrongModel> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        let mut walk = Self { file: BufReader::new(file), left, kind };
        match walk.numbers() {
            Ok([MAGIC]) => Ok(walk),
            Ok(_) | Err(WrongModel::CutOff) => Err(walk.other()),
            Err(error) => Err(error),
        }
    }

    fn other(&self) -> WrongModel {
        WrongModel::Other(self.kind)
    }

    fn small(&self, number: u32) -> Result<u32, WrongModel> {
        if number > MOST { Err(self.other()) } else { Ok(number) }
    }

    fn numbers<const N: usize>(&mut self) -> Result<[u32; N], WrongModel> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            let mut bytes = [0; 4];
            self.file.read_exact(&mut bytes)?;
            self.left = self.left.saturating_sub(4);
            *number = u32::from_le_bytes(bytes);
        }
        Ok(numbers)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), WrongModel> {
        self.left = self.left.checked_sub(bytes).ok_or(WrongModel::CutOff)?;
        let offset = i64::try_from(bytes).map_err(|_| self.other())?;
        Ok(self.file.seek_relative(offset)?)
    }

    /// Tensors up to the end of the file: rank, length of the name, type, sizes, name, data.
    fn tensors(&mut self) -> Result<(), WrongModel> {
        let mut found = false;
        while self.left > 0 {
            let [rank, name, kind] = self.numbers()?;
            if rank > 4 {
                return Err(self.other());
            }
            let mut elements: u64 = 1;
            for _ in 0..rank {
                let [size] = self.numbers()?;
                elements = elements.checked_mul(size.into()).ok_or_else(|| self.other())?;
            }
            let (in_block, block_bytes) = block(kind).ok_or_else(|| self.other())?;
            let data = elements.div_ceil(in_block).checked_mul(block_bytes);
            self.skip(self.small(name)?.into())?;
            self.skip(data.ok_or_else(|| self.other())?)?;
            found = true;
        }
        if found { Ok(()) } else { Err(WrongModel::Weightless) }
    }
}

/// Elements in a block of a ggml type, and its bytes. Source: `ggml-common.h`.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 => (1, 4),
        1 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn shared(name: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
        if path.is_file() {
            return Some(path);
        }
        eprintln!("skipped: {} is not here", path.display());
        None
    }

    /// A Whisper model of the smallest kind: a head, two words, and one tensor a given type.
    fn small(kind: u32, data: &[u8]) -> Vec<u8> {
        let head = [MAGIC, 51_865, 1500, 384, 6, 4, 448, 384, 6, 4, 80, kind, 1, 2];
        let mut file: Vec<u8> = head.iter().flat_map(|number| number.to_le_bytes()).collect();
        file.extend([0; 8]);
        file.extend(2_u32.to_le_bytes());
        for word in ["a", "bc"] {
            file.extend((word.len() as u32).to_le_bytes());
            file.extend(word.bytes());
        }
        for number in [2, 6, kind, 32, 2] {
            file.extend(u32::to_le_bytes(number));
        }
        file.extend(b"tensor");
        file.extend(data);
        file
    }

    fn judged(content: &[u8]) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        check_whisper(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_model_passes_whatever_its_weights_are_kept_in() {
        for (kind, bytes) in [(0, 256), (1, 128), (6, 44), (8, 68)] {
            assert_eq!(judged(&small(kind, &vec![1; bytes])), Ok(()), "type {kind}");
        }
    }

    #[test]
    fn a_model_cut_off_anywhere_is_refused() {
        let whole = small(1, &[1; 128]);
        // Without its tensor it is what whisper.cpp takes for a model made for tests.
        let head = whole.len() - 128 - 6 - 20;
        for length in 0..whole.len() {
            let refused = judged(&whole[..length]).unwrap_err();
            let expected = match length {
                0..4 => "no ggml model of Whisper",
                _ if length == head => "no weights",
                _ => "cut off",
            };
            assert!(refused.contains(expected), "{length}: {refused}");
        }
    }

    #[test]
    fn other_files_are_refused_as_such() {
        let mut layers = small(1, &[1; 128]);
        layers[20] = 5;
        let mut kind = small(1, &[1; 128]);
        let at = kind.len() - 128 - 6 - 12;
        kind[at] = 99;
        for (name, content) in [
            ("a page of a web site", b"<!doctype html><title>Sign in</title>".as_slice()),
            ("a size nobody has", &layers),
            ("a type nobody knows", &kind),
        ] {
            let refused = judged(content).unwrap_err();
            assert!(refused.contains("no ggml model of Whisper"), "{name}: {refused}");
        }
        assert!(judged(&[]).is_err());
        assert!(matches!(
            check_whisper(Path::new("/no/such/model.bin")),
            Err(WrongModel::Unreadable(_))
        ));
    }

    #[test]
    fn the_models_made_for_tests_are_told_apart() {
        let Some(whisper) = shared("for-tests-ggml-tiny.bin") else { return };
        let Some(silero) = shared("for-tests-silero-v6.2.0-ggml.bin") else { return };
        assert!(matches!(check_whisper(&whisper), Err(WrongModel::Weightless)));
        check_silero(&silero).unwrap();
        assert!(matches!(check_whisper(&silero), Err(WrongModel::Other("Whisper"))));
        let file = tempfile::NamedTempFile::new().unwrap();
        let whole = fs::read(&silero).unwrap();
        fs::write(file.path(), &whole[..whole.len() - 1]).unwrap();
        assert!(matches!(check_silero(file.path()), Err(WrongModel::CutOff)));
    }
}
