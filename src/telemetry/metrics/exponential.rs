//! Exponential buckets, as OpenTelemetry's data model defines them (exponential histograms of base 2); pure.

/// The most buckets: the specification's default.
const MOST_BUCKETS: usize = 160;
/// The finest scale: the specification's default.
const FINEST_SCALE: i32 = 20;

/// Counts of positive values. A bucket of index `i` holds values above `base^i` and up to `base^(i + 1)`, where `base` is
/// `2^(2^-scale)`. The scale is the finest at which all values fit into the buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExponentialBuckets {
    pub(crate) scale: i32,
    /// The values that are 0 or negative.
    pub(crate) zero_count: u64,
    /// The index of the first bucket.
    pub(crate) offset: i32,
    pub(crate) counts: Vec<u64>,
}

impl Default for ExponentialBuckets {
    fn default() -> Self {
        Self { scale: FINEST_SCALE, zero_count: 0, offset: 0, counts: Vec::new() }
    }
}

impl ExponentialBuckets {
    /// Counts a value; one that is no number counts nowhere.
    pub(super) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if value <= 0.0 {
            self.zero_count += 1;
            return;
        }
        let mut index = index_of(value, self.scale);
        let excess = self.excess(index);
        if excess > 0 {
            self.reduce(excess);
            index = index_of(value, self.scale);
        }
        self.place(index);
    }

    /// The steps by which the scale must be reduced until this index fits, too.
    fn excess(&self, index: i32) -> i32 {
        let (mut first, mut last) = self.with(index);
        let mut steps = 0;
        while buckets(first, last) > MOST_BUCKETS {
            (first, last) = (first >> 1, last >> 1);
            steps += 1;
        }
        steps
    }

    /// The first and the last index once this one is counted.
    fn with(&self, index: i32) -> (i32, i32) {
        match i32::try_from(self.counts.len()) {
            Ok(length @ 1..) => (self.offset.min(index), (self.offset + length - 1).max(index)),
            _ => (index, index),
        }
    }

    /// Makes the buckets `2^steps` times as wide.
    fn reduce(&mut self, steps: i32) {
        let (first, before) = (self.offset, std::mem::take(&mut self.counts));
        self.scale -= steps;
        for (index, count) in (first..).zip(before) {
            if count > 0 {
                *self.bucket(index >> steps) += count;
            }
        }
    }

    fn place(&mut self, index: i32) {
        *self.bucket(index) += 1;
    }

    /// The bucket of this index, added with those between it and the others.
    fn bucket(&mut self, index: i32) -> &mut u64 {
        let (first, last) = self.with(index);
        if self.counts.is_empty() {
            self.offset = first;
        }
        let before = usize::try_from(self.offset - first).unwrap_or(0);
        self.counts.splice(0..0, std::iter::repeat_n(0, before));
        self.offset = first;
        self.counts.resize(buckets(first, last), 0);
        &mut self.counts[usize::try_from(index - first).unwrap_or(0)]
    }
}

fn buckets(first: i32, last: i32) -> usize {
    usize::try_from(i64::from(last) - i64::from(first) + 1).unwrap_or(usize::MAX)
}

/// The index of a value's bucket, whose upper bound belongs to it.
#[expect(clippy::cast_possible_truncation, reason = "at most 1,075 * 2^20, which is below 2^31")]
fn index_of(value: f64, scale: i32) -> i32 {
    let index = (value.log2() * f64::from(scale).exp2()).ceil();
    index as i32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(values: &[f64]) -> ExponentialBuckets {
        let mut buckets = ExponentialBuckets::default();
        for value in values {
            buckets.add(*value);
        }
        buckets
    }

    fn bound(index: i32, scale: i32) -> f64 {
        (f64::from(index) * f64::from(-scale).exp2()).exp2()
    }

    #[test]
    fn an_upper_bound_belongs_to_its_bucket() {
        for (value, scale, index) in [
            (1.0, 0, -1),
            (1.5, 0, 0),
            (2.0, 0, 0),
            (4.0, 0, 1),
            (4.1, 0, 2),
            (4.0, -1, 0),
            (0.5, 0, -2),
            (1.4, 1, 0),
        ] {
            assert_eq!(index_of(value, scale), index, "{value} at {scale}");
        }
    }

    #[test]
    fn one_value_has_one_bucket_of_the_finest_scale() {
        let buckets = counted(&[3.0, 3.0]);
        assert_eq!((buckets.scale, &*buckets.counts), (FINEST_SCALE, &[2][..]));
        let (above, to) = (bound(buckets.offset, buckets.scale), bound(buckets.offset + 1, buckets.scale));
        assert!(above < 3.0 && 3.0 <= to, "{above} {to}");
    }

    #[test]
    fn what_is_not_positive_or_no_number_has_no_bucket() {
        let buckets = counted(&[0.0, -1.0, f64::NAN, f64::INFINITY]);
        assert_eq!((buckets.zero_count, buckets.counts.len()), (2, 0));
    }

    #[test]
    fn every_value_is_counted_between_the_bounds_of_its_bucket() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let widest = random.f64() * 40.0;
            let values: Vec<f64> = (0..300).map(|_| ((random.f64() - 0.5) * widest).exp2()).collect();
            let mut buckets = ExponentialBuckets::default();
            for (before, value) in (0_u64..).zip(&values) {
                buckets.add(*value);
                assert_eq!(buckets.counts.iter().sum::<u64>(), before + 1);
                assert!(buckets.counts.len() <= MOST_BUCKETS);
            }
            for (index, count) in (buckets.offset..).zip(&buckets.counts) {
                let (above, to) = (bound(index, buckets.scale), bound(index + 1, buckets.scale));
                let within = values.iter().filter(|value| above < **value && **value <= to).count();
                assert_eq!(within as u64, *count, "seed {seed}, bucket {index} at {}", buckets.scale);
            }
            // One step finer, the values would not fit.
            let finer = |value: &f64| index_of(*value, buckets.scale + 1);
            let (first, last) =
                (values.iter().map(finer).min().unwrap(), values.iter().map(finer).max().unwrap());
            assert!(
                super::buckets(first, last) > MOST_BUCKETS || buckets.scale == FINEST_SCALE,
                "seed {seed}"
            );
        }
    }
}
