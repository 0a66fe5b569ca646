//! The classifier's file: small, and equal for equal weights.
//!
//! All numbers little-endian. `CSGIST1\n`; the number of classes (u8), and for each the length of
//! its id (u8), the id, and its bias (f32); the number of features (u32), and for each, in the order
//! of keys, its key (u32), its rarity in hundredths (u16), how many classes it has a weight for (u8),
//! and for each of these the class (u8) and the weight in units of [`UNIT`] (i8).

use thiserror::Error;

/// A weight of one.
pub const UNIT: f32 = 0.05;
const RARITY: f32 = 0.01;
const MAGIC: &[u8] = b"CSGIST1\n";

/// Why a file of weights cannot be used.
#[derive(Debug, Error)]
#[error("the weights of the gist are damaged at byte {0}: write them again with extract_learn")]
pub struct GistError(usize);

/// What was learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// The id of each class, and its bias. At most 256.
    pub classes: Vec<(String, f32)>,
    /// In the order of their keys.
    pub features: Vec<LearnedFeature>,
}

/// What was learned of a feature.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedFeature {
    /// Its key, as [`bag`](super::bag) gives it.
    pub key: u32,
    /// The rarer, the more it counts.
    pub rarity: f32,
    /// For each class, by its number, how much it speaks for it.
    pub weights: Vec<(u8, f32)>,
}

impl Learned {
    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.push(self.classes.len() as u8);
        for (id, bias) in &self.classes {
            file.push(id.len() as u8);
            file.extend_from_slice(id.as_bytes());
            file.extend_from_slice(&bias.to_le_bytes());
        }
        let small = |weight: f32| (weight / UNIT).round().clamp(-127.0, 127.0) as i8;
        let count = self.features.len() as u32;
        file.extend_from_slice(&count.to_le_bytes());
        for feature in &self.features {
            let weights = feature.weights.iter().map(|(class, weight)| (*class, small(*weight)));
            let weights: Vec<(u8, i8)> = weights.filter(|(_, weight)| *weight != 0).collect();
            file.extend_from_slice(&feature.key.to_le_bytes());
            file.extend_from_slice(&((feature.rarity / RARITY).round() as u16).to_le_bytes());
            file.push(weights.len() as u8);
            for (class, weight) in weights {
                file.extend_from_slice(&[class, weight as u8]);
            }
        }
        file
    }
}

/// Reads a file, feature by feature: `class` is given each class, `feature` the key, the rarity and
/// the classes and units of weights.
///
/// # Errors
/// When it is no such file, or ends early.
pub fn decode(
    file: &[u8],
    mut class: impl FnMut(&str, f32),
    mut feature: impl FnMut(u32, f32, &mut dyn Iterator<Item = (u8, i8)>),
) -> Result<(), GistError> {
    let mut rest = Reader { file, at: 0 };
    if rest.take(MAGIC.len())? != MAGIC {
        return Err(GistError(0));
    }
    let classes = rest.byte()?;
    for _ in 0..classes {
        let length = rest.byte()?;
        let at = rest.at;
        let id = std::str::from_utf8(rest.take(length.into())?).map_err(|_| GistError(at))?;
        class(id, f32::from_le_bytes(rest.array()?));
    }
    for _ in 0..u32::from_le_bytes(rest.array()?) {
        let key = u32::from_le_bytes(rest.array()?);
        let rarity = f32::from(u16::from_le_bytes(rest.array()?)) * RARITY;
        let count = rest.byte()?;
        let at = rest.at;
        let weights = rest.take(2 * usize::from(count))?;
        if weights.iter().step_by(2).any(|class| *class >= classes) {
            return Err(GistError(at));
        }
        feature(key, rarity, &mut weights.chunks_exact(2).map(|pair| (pair[0], pair[1] as i8)));
    }
    if rest.at == file.len() { Ok(()) } else { Err(GistError(rest.at)) }
}

struct Reader<'f> {
    file: &'f [u8],
    at: usize,
}

impl<'f> Reader<'f> {
    fn take(&mut self, count: usize) -> Result<&'f [u8], GistError> {
        let taken = self.file.get(self.at..self.at + count).ok_or(GistError(self.at))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GistError> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| GistError(at))
    }

    fn byte(&mut self) -> Result<u8, GistError> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned() -> Learned {
        let feature = |key, weights| LearnedFeature { key, rarity: 2.5, weights };
        Learned {
            classes: vec![("plumber".into(), -0.5), ("towing".into(), 0.25)],
            features: vec![feature(3, vec![(0, 1.0), (1, 0.01)]), feature(9, vec![(1, -40.0)])],
        }
    }

    fn read(file: &[u8]) -> Result<Learned, GistError> {
        let mut read = Learned { classes: Vec::new(), features: Vec::new() };
        decode(
            file,
            |id, bias| read.classes.push((id.to_owned(), bias)),
            |key, rarity, weights| {
                let weights = weights.map(|(class, units)| (class, f32::from(units) * UNIT));
                read.features.push(LearnedFeature { key, rarity, weights: weights.collect() });
            },
        )?;
        Ok(read)
    }

    #[test]
    fn what_is_written_is_read_but_for_weights_that_are_next_to_nothing_or_too_large() {
        let mut expected = learned();
        expected.features[0].weights.pop();
        expected.features[1].weights[0].1 = -127.0 * UNIT;
        assert_eq!(read(&learned().encode()).unwrap(), expected);
    }

    #[test]
    fn a_damaged_file_is_refused_wherever_it_ends_and_whatever_follows() {
        let mut file = learned().encode();
        for end in 0..file.len() {
            assert!(read(&file[..end]).is_err(), "{end}");
        }
        let last = file.len() - 2;
        file[last] = 2;
        assert!(read(&file).is_err(), "a class that there is not");
        file[last] = 1;
        assert!(read(&file).is_ok());
        file.push(0);
        let refused = read(&file).unwrap_err().to_string();
        assert!(refused.contains("extract_learn"), "{refused}");
    }
}
