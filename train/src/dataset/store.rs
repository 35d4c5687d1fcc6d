//! Samples in memory up to a limit, and beyond that in a temporary file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use raremap_io::{FileScratch, IoError, Scratch};

use super::sample::Sample;
use crate::error::{Result, failure};

/// The samples of a split. Those that do not fit into the memory that they are given are in a temporary file without a name, in the system's
/// folder for such files (`TMPDIR`), and are read from it one at a time.
///
/// Which samples these are makes no difference to what is read.
#[derive(Debug, Clone)]
pub struct SampleStore {
    held: Vec<Held>,
    file: Option<Arc<Mutex<FileScratch>>>,
    memory_bytes: u64,
    limit_bytes: u64,
}

#[derive(Debug, Clone)]
enum Held {
    Memory(Arc<Sample>),
    File(Spilled),
}

/// A sample in a file: its values, then its validity and its labels.
#[derive(Debug, Clone)]
struct Spilled {
    path: PathBuf,
    height: usize,
    width: usize,
    ground_resolution_m: f64,
    /// Numbers in `values`.
    values: usize,
    file: Arc<Mutex<FileScratch>>,
    offset: u64,
}

impl SampleStore {
    /// What a split may take of the memory, unless somebody says otherwise.
    pub const USUAL_BYTES: u64 = 8 << 30;

    /// An empty store that keeps at most `limit_bytes` in memory.
    pub fn within(limit_bytes: u64) -> Self {
        Self {
            held: Vec::new(),
            file: None,
            memory_bytes: 0,
            limit_bytes,
        }
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes of the samples that are in memory.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Adds a sample at the end.
    ///
    /// # Errors
    /// If the temporary file cannot be made or written.
    pub fn push(&mut self, sample: Sample) -> Result<()> {
        let bytes = size_bytes(&sample);
        let held = if self.memory_bytes + bytes <= self.limit_bytes {
            self.memory_bytes += bytes;
            Held::Memory(Arc::new(sample))
        } else {
            let file = match &self.file {
                Some(file) => Arc::clone(file),
                None => {
                    let file = FileScratch::new(tempfile::tempfile().map_err(IoError::Write)?);
                    Arc::clone(self.file.insert(Arc::new(Mutex::new(file))))
                }
            };
            Held::File(Spilled::write(sample, file)?)
        };
        self.held.push(held);
        Ok(())
    }

    /// A sample by its index.
    ///
    /// # Errors
    /// If there is none, or the temporary file cannot be read.
    pub fn get(&self, index: usize) -> Result<Arc<Sample>> {
        match self.held.get(index) {
            Some(Held::Memory(sample)) => Ok(Arc::clone(sample)),
            Some(Held::File(spilled)) => spilled.read().map(Arc::new),
            None => Err(failure!(Misuse, "there is no sample {index}; there are {}", self.len())),
        }
    }

    /// `[height, width]` of a sample, which is not read for it; `None` if there is no such sample.
    pub fn size_px(&self, index: usize) -> Option<[usize; 2]> {
        self.held.get(index).map(|held| match held {
            Held::Memory(sample) => [sample.height, sample.width],
            Held::File(spilled) => [spilled.height, spilled.width],
        })
    }

    /// All samples in order, each as [`Self::get`] gives it.
    pub fn iter(&self) -> impl Iterator<Item = Result<Arc<Sample>>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The first `count` samples, or all if there are fewer.
    pub fn first(&self, count: usize) -> Self {
        let mut first = Self {
            held: self.held.iter().take(count).cloned().collect(),
            file: self.file.clone(),
            ..Self::within(self.limit_bytes)
        };
        first.retain(&[]);
        first
    }

    /// Adds the samples of another store.
    pub(super) fn append(&mut self, other: Self) {
        self.memory_bytes += other.memory_bytes;
        self.held.extend(other.held);
    }

    /// Leaves out the samples whose entry in `keep` is false.
    pub(super) fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.held.retain(|_| keep.next().copied().unwrap_or(true));
        let in_memory = self.held.iter().filter_map(|held| match held {
            Held::Memory(sample) => Some(size_bytes(sample)),
            Held::File(_) => None,
        });
        self.memory_bytes = in_memory.sum();
    }
}

impl FromIterator<Sample> for SampleStore {
    /// All in memory.
    fn from_iter<I: IntoIterator<Item = Sample>>(samples: I) -> Self {
        let held: Vec<Held> = samples.into_iter().map(Arc::new).map(Held::Memory).collect();
        let mut store = Self {
            held,
            ..Self::within(u64::MAX)
        };
        store.retain(&[]);
        store
    }
}

fn size_bytes(sample: &Sample) -> u64 {
    (size_of_val(sample.values.as_slice()) + sample.valid.len() + sample.labels.len()) as u64
}

impl Spilled {
    fn write(sample: Sample, file: Arc<Mutex<FileScratch>>) -> Result<Self> {
        let mut bytes = Vec::with_capacity(size_bytes(&sample) as usize);
        bytes.extend(sample.values.iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend(sample.valid.iter().map(|&valid| u8::from(valid)));
        bytes.extend(&sample.labels);
        // A thread that panicked while it read has left nothing half done.
        let offset = file.lock().unwrap_or_else(PoisonError::into_inner).append(&bytes)?;
        Ok(Self {
            path: sample.path,
            height: sample.height,
            width: sample.width,
            ground_resolution_m: sample.ground_resolution_m,
            values: sample.values.len(),
            file,
            offset,
        })
    }

    fn read(&self) -> Result<Sample> {
        let pixels = self.height * self.width;
        let mut bytes = vec![0; size_of::<f32>() * self.values + 2 * pixels];
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.read_at(self.offset, &mut bytes)?;
        drop(file);
        let (values, rest) = bytes.split_at(size_of::<f32>() * self.values);
        let (valid, labels) = rest.split_at(pixels);
        let numbers = values.as_chunks().0.iter();
        Ok(Sample {
            path: self.path.clone(),
            height: self.height,
            width: self.width,
            ground_resolution_m: self.ground_resolution_m,
            values: numbers.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            valid: valid.iter().map(|&valid| valid != 0).collect(),
            labels: labels.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(index: usize) -> Sample {
        let pixels = (2 + index) * 3;
        Sample {
            path: format!("{index}.tif").into(),
            height: 2 + index,
            width: 3,
            ground_resolution_m: 10.0 / (index + 1) as f64,
            values: (0..2 * pixels).map(|value| value as f32 / 7.0 - index as f32).collect(),
            valid: (0..pixels).map(|pixel| pixel % 3 != index).collect(),
            labels: (0..pixels).map(|pixel| (pixel + index) as u8).collect(),
        }
    }

    fn same(one: &Sample, other: &Sample) -> bool {
        let bits = |sample: &Sample| sample.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        (&one.path, one.height, one.width, &one.valid, &one.labels)
            == (&other.path, other.height, other.width, &other.valid, &other.labels)
            && one.ground_resolution_m == other.ground_resolution_m
            && bits(one) == bits(other)
    }

    #[test]
    fn what_does_not_fit_into_memory_is_read_from_a_file_unchanged() {
        let bytes = |count: usize| (0..count).map(|index| size_bytes(&sample(index))).sum::<u64>();
        for (limit, in_memory) in [(u64::MAX, bytes(5)), (bytes(2), bytes(2)), (0, 0)] {
            let mut store = SampleStore::within(limit);
            (0..5).for_each(|index| store.push(sample(index)).expect("stores"));
            assert_eq!((store.len(), store.memory_bytes()), (5, in_memory));
            for index in [3, 0, 4, 1, 2] {
                assert!(
                    same(&store.get(index).expect("reads"), &sample(index)),
                    "{limit}: {index}"
                );
            }
            assert_eq!((store.size_px(4), store.size_px(5)), (Some([6, 3]), None));
            assert!(store.get(5).is_err());
            store.retain(&[false, true, true, false, true]);
            let mut other = SampleStore::within(0);
            other.push(sample(0)).expect("stores");
            store.append(other);
            let kept: Vec<usize> = store.iter().map(|sample| sample.expect("reads").height - 2).collect();
            assert_eq!(kept, [1, 2, 4, 0], "{limit}");
            let first = store.first(2);
            let expected = (1..3).map(|index| size_bytes(&sample(index))).sum::<u64>();
            assert_eq!(first.len(), 2);
            assert!(first.memory_bytes() <= expected, "of these two alone");
            assert_eq!(first.memory_bytes() == expected, limit == u64::MAX);
        }
    }

    #[test]
    fn threads_read_from_one_file() {
        let mut store = SampleStore::within(0);
        (0..20).for_each(|index| store.push(sample(index)).expect("stores"));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    for index in (thread..20).chain(0..thread) {
                        assert!(same(&store.get(index).expect("reads"), &sample(index)));
                    }
                });
            }
        });
    }
}
