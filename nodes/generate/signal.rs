//! The signals: what a tag shows at a given time of the schedule.

use std::f64::consts::TAU;

use fieldflow_contract::Value;

use super::config::Signal;

/// A signal on its way.
pub(super) enum Wave {
    Counter { next: i64 },
    Sine { period: f64, amplitude: f64, offset: f64 },
    Ramp { from: f64, rise: f64, period: f64 },
    Noise { mean: f64, sigma: f64, normal: Normal },
}

impl Wave {
    /// The beginning of a signal; `seed` and the tag's name decide its noise, so that no tag's noise hangs on its neighbours.
    pub(super) fn new(signal: &Signal, seed: u64, tag: &str) -> Self {
        match *signal {
            Signal::Counter {} => Self::Counter { next: 0 },
            Signal::Sine { period, amplitude, offset } => {
                Self::Sine { period: period.0.as_secs_f64(), amplitude, offset }
            }
            Signal::Ramp { from, to, period } => Self::Ramp { from, rise: to - from, period: period.0.as_secs_f64() },
            Signal::Noise { mean, sigma } => Self::Noise { mean, sigma, normal: Normal::new(seed, tag) },
        }
    }

    /// The next value, at so many seconds of the schedule.
    pub(super) fn next(&mut self, seconds: f64) -> Value {
        match self {
            Self::Counter { next } => {
                let value = *next;
                *next = next.wrapping_add(1);
                Value::I64(value)
            }
            Self::Sine { period, amplitude, offset } => {
                Value::F64(*offset + *amplitude * (TAU * share(seconds, *period)).sin())
            }
            Self::Ramp { from, rise, period } => Value::F64(*from + *rise * share(seconds, *period)),
            Self::Noise { mean, sigma, normal } => Value::F64(*mean + *sigma * normal.next()),
        }
    }
}

/// How far into its period a signal is, from 0 to 1. The whole periods go first, so that days later a wave is as smooth as
/// on the first one.
fn share(seconds: f64, period: f64) -> f64 {
    let periods = seconds / period;
    periods - (periods as u64) as f64
}

/// Numbers of the standard normal distribution, by Box and Muller over `SplitMix64`: a few lines whose results no update of a
/// crate can change.
pub(super) struct Normal {
    state: u64,
    spare: Option<f64>,
}

impl Normal {
    fn new(seed: u64, tag: &str) -> Self {
        // FNV-1a over the name, on top of the seed.
        let state = tag.bytes().fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self { state, spare: None }
    }

    fn next(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let (sin, cos) = (TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Above 0 and up to 1, so that its logarithm is finite.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((z >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::Span;
    use std::time::Duration;

    fn noise(seed: u64, tag: &str, count: usize) -> Vec<f64> {
        let mut normal = Normal::new(seed, tag);
        (0..count).map(|_| normal.next()).collect()
    }

    #[test]
    fn noise_hangs_on_the_seed_and_the_tag_alone() {
        assert_eq!(noise(1, "x", 100), noise(1, "x", 100));
        assert_ne!(noise(1, "x", 100), noise(2, "x", 100));
        assert_ne!(noise(1, "x", 100), noise(1, "y", 100));
    }

    #[test]
    fn noise_is_normal() {
        let values = noise(7, "x", 100_000);
        let mean = values.iter().sum::<f64>() / 1e5;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 1e5).sqrt();
        let within_one = values.iter().filter(|value| value.abs() < 1.0).count();
        assert!(mean.abs() < 0.02 && (deviation - 1.0).abs() < 0.02, "{mean} {deviation}");
        assert!((67_300..69_300).contains(&within_one), "{within_one}");
    }

    #[test]
    fn waves_are_what_the_manual_says() {
        let period = Span(Duration::from_secs(8));
        let mut sine = Wave::new(&Signal::Sine { period, amplitude: 5.0, offset: 20.0 }, 0, "s");
        let mut ramp = Wave::new(&Signal::Ramp { from: 10.0, to: 2.0, period }, 0, "r");
        for (seconds, high, straight) in [(0.0, 20.0, 10.0), (2.0, 25.0, 8.0), (6.0, 15.0, 4.0), (10.0, 25.0, 8.0)] {
            assert_eq!(sine.next(seconds), Value::F64(high), "at {seconds}");
            assert_eq!(ramp.next(seconds), Value::F64(straight), "at {seconds}");
        }
    }
}
