//! A linear support vector machine with squared hinge loss, by dual coordinate descent, after Hsieh et
//! al., "A Dual Coordinate Descent Method for Large-scale Linear SVM" (ICML 2008).

/// Passes over all samples, at most.
const PASSES: usize = 60;
/// A pass in which no samples are further than this from their places is the last.
const CLOSE: f32 = 0.1;

/// Examples, one behind the other.
#[derive(Default)]
pub struct Samples {
    /// Features, by number, and how much there is of each.
    features: Vec<(u32, f32)>,
    /// Where the features of each end.
    ends: Vec<usize>,
    /// How much it costs to miss each.
    costs: Vec<f32>,
}

impl Samples {
    /// Adds an example.
    pub fn add(&mut self, features: &[(u32, f32)], cost: f32) {
        self.features.extend_from_slice(features);
        self.ends.push(self.features.len());
        self.costs.push(cost);
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, at: usize) -> &[(u32, f32)] {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.features[from..self.ends[at]]
    }
}

/// The weights of `count` features and the bias that tell the samples that are `own` from all others.
pub fn separate(samples: &Samples, own: &[bool], count: usize) -> (Vec<f32>, f32) {
    let mut weights = vec![0.0_f32; count];
    let mut bias = 0.0_f32;
    let mut pulls = vec![0.0_f32; samples.len()];
    // The bias is a feature of every sample.
    let square = |at| samples.get(at).iter().map(|(_, x)| x * x).sum::<f32>() + 1.0;
    let squares: Vec<f32> = (0..samples.len()).map(square).collect();
    let mut order: Vec<usize> = (0..samples.len()).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    // Samples that lie safely on their side are left out until all others have their place.
    let mut active = samples.len();
    let mut safe = f32::INFINITY;
    for _ in 0..PASSES {
        dice.shuffle(&mut order[..active]);
        let (mut most, mut least) = (f32::NEG_INFINITY, f32::INFINITY);
        let mut next = 0;
        while next < active {
            let at = order[next];
            let (features, side) = (samples.get(at), if own[at] { 1.0 } else { -1.0 });
            let slack = 0.5 / samples.costs[at];
            let sum: f32 = features.iter().map(|(f, x)| weights[*f as usize] * x).sum();
            let slope = side * (sum + bias) - 1.0 + slack * pulls[at];
            if pulls[at] == 0.0 && slope > safe {
                active -= 1;
                order.swap(next, active);
                continue;
            }
            next += 1;
            let downhill = if pulls[at] == 0.0 { slope.min(0.0) } else { slope };
            (most, least) = (most.max(downhill), least.min(downhill));
            if downhill.abs() < 1e-6 {
                continue;
            }
            let old = pulls[at];
            pulls[at] = (old - slope / (squares[at] + slack)).max(0.0);
            let step = (pulls[at] - old) * side;
            bias += step;
            features.iter().for_each(|(f, x)| weights[*f as usize] += step * x);
        }
        if most - least < CLOSE {
            if active == order.len() {
                break;
            }
            (active, safe) = (order.len(), f32::INFINITY);
        } else {
            safe = if most > 0.0 { most } else { f32::INFINITY };
        }
    }
    (weights, bias)
}

/// Numbers that look drawn at random, and are the same in every run (xorshift64, after Marsaglia).
struct Dice(u64);

impl Dice {
    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            order.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}
