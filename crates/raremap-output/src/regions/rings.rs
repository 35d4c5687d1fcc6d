//! Rings: cut where they touch themselves, and kept outside memory while their region grows.

use std::collections::HashMap;

use raremap_io::Scratch;

use super::Corner;
use crate::error::OutputError;

/// Cuts a ring at the corners that it passes more than once. What is left are rings that touch, as those of a polygon may.
pub(super) fn simple_rings(ring: Vec<Corner>) -> Vec<Vec<Corner>> {
    let mut sorted = ring.clone();
    sorted.sort_unstable();
    if sorted.windows(2).all(|pair| pair.first() != pair.last()) {
        return vec![ring];
    }
    let mut rings = Vec::new();
    let mut path: Vec<Corner> = Vec::new();
    // Entries are only looked up, so their order does not matter.
    let mut place_of: HashMap<Corner, usize> = HashMap::new();
    for corner in ring {
        if let Some(place) = place_of.get(&corner).copied() {
            let cut = path.split_off(place + 1);
            cut.iter().for_each(|corner| {
                place_of.remove(corner);
            });
            rings.push(std::iter::once(corner).chain(cut).collect());
        } else {
            place_of.insert(corner, path.len());
            path.push(corner);
        }
    }
    rings.push(path);
    rings
}

/// Whether a ring goes counterclockwise on the screen, where rows go down.
pub(super) fn is_exterior(ring: &[Corner]) -> bool {
    let next = ring.iter().cycle().skip(1);
    let doubled = |([x, y], [next_x, next_y]): (&Corner, &Corner)| {
        i128::from(*x) * i128::from(*next_y) - i128::from(*next_x) * i128::from(*y)
    };
    ring.iter().zip(next).map(doubled).sum::<i128>() < 0
}

/// A list of rings in a scratch; each is preceded by the offset of the ring before it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Rings {
    first: u64,
    last: u64,
    count: u64,
}

const NUMBER_BYTES: usize = 8;

impl Rings {
    pub(super) fn put(&mut self, ring: &[Corner], scratch: &mut impl Scratch) -> Result<(), OutputError> {
        let mut bytes = Vec::with_capacity(NUMBER_BYTES * (2 + ring.len()));
        bytes.extend_from_slice(&self.last.to_le_bytes());
        bytes.extend_from_slice(&(ring.len() as u64).to_le_bytes());
        for corner in ring {
            corner
                .iter()
                .for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        }
        self.last = scratch.append(&bytes)?;
        if self.count == 0 {
            self.first = self.last;
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn append(&mut self, other: Self, scratch: &mut impl Scratch) -> Result<(), OutputError> {
        if other.count == 0 {
            return Ok(());
        }
        if self.count == 0 {
            *self = other;
            return Ok(());
        }
        scratch.write_at(other.first, &self.last.to_le_bytes())?;
        self.last = other.last;
        self.count += other.count;
        Ok(())
    }

    /// Takes the ring that was added last.
    pub(super) fn take(&mut self, scratch: &impl Scratch) -> Result<Option<Vec<Corner>>, OutputError> {
        if self.count == 0 {
            return Ok(None);
        }
        let number = |offset: u64| -> Result<u64, OutputError> {
            let mut bytes = [0; NUMBER_BYTES];
            scratch.read_at(offset, &mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let (before, corners) = (number(self.last)?, number(self.last + NUMBER_BYTES as u64)?);
        // What was added came from memory and fits into it again.
        let mut bytes = vec![0; NUMBER_BYTES * corners as usize];
        scratch.read_at(self.last + 2 * NUMBER_BYTES as u64, &mut bytes)?;
        (self.last, self.count) = (before, self.count - 1);
        let (numbers, _) = bytes.as_chunks::<4>();
        let (corners, _) = numbers.as_chunks::<2>();
        Ok(Some(
            corners.iter().map(|corner| corner.map(u32::from_le_bytes)).collect(),
        ))
    }
}
