//! Connected regions of a map of classes, found row by row from the top.
//!
//! Pixels of one class that share an edge are one region. What is known about a region is kept only while it may still grow: its tally (see
//! [`Tally`]), and its boundary if outlines are wanted. A region is handed over as soon as a row has none of it.

mod outline;
mod rings;

use raremap_io::Scratch;

use crate::error::OutputError;
use outline::Outlines;
/// Pixels without data belong to no region.
pub(crate) use raremap_infer::NO_CLASS;

/// Corners of pixels, `[column, row]`.
pub(crate) type Corner = [u32; 2];

/// What is counted of a region.
pub(crate) trait Tally: Default {
    /// Adds what another part of the same region counted.
    fn merge(&mut self, other: Self);
}

/// A region that is complete.
pub(crate) struct Region<'a, T, S> {
    /// Index of the class.
    pub(crate) class: u8,
    /// What was counted.
    pub(crate) tally: T,
    /// The outer ring, counterclockwise on a map with north up, without its first corner again; empty if no outlines are wanted.
    pub(crate) exterior: Vec<Corner>,
    holes: rings::Rings,
    scratch: Option<&'a S>,
}

impl<T, S: Scratch> Region<'_, T, S> {
    /// Returns the next hole: its ring, clockwise.
    pub(crate) fn next_hole(&mut self) -> Result<Option<Vec<Corner>>, OutputError> {
        match self.scratch {
            Some(scratch) => self.holes.take(scratch),
            None => Ok(None),
        }
    }
}

/// Pixels of one class beside each other, `start..end`.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u32,
    end: u32,
    class: u8,
    region: u32,
}

#[derive(Debug, Default)]
struct Slot<T> {
    /// The region itself, if it was not merged into another.
    parent: u32,
    class: u8,
    /// Row below the last one with a pixel of it.
    end_row: u32,
    is_open: bool,
    tally: T,
    exterior: Vec<Corner>,
    holes: rings::Rings,
}

/// Finds regions row by row; `S` holds the holes of regions that still grow.
pub(crate) struct RegionSweep<T, S> {
    row: u32,
    above: Vec<Run>,
    below: Vec<Run>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    merged: Vec<u32>,
    outlines: Option<(Outlines, S)>,
}

impl<T: Tally, S: Scratch> RegionSweep<T, S> {
    /// If there is a `scratch`, outlines are drawn.
    pub(crate) fn new(scratch: Option<S>) -> Self {
        Self {
            row: 0,
            above: Vec::new(),
            below: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            merged: Vec::new(),
            outlines: scratch.map(|scratch| (Outlines::default(), scratch)),
        }
    }

    /// Takes the next row of class indices ([`NO_CLASS`] for none). `tally` counts pixels `start..end` of it, and `finished` takes the
    /// regions that the row ends.
    pub(crate) fn push_row(
        &mut self,
        classes: &[u8],
        tally: impl FnMut(usize, usize, u8) -> T,
        finished: impl FnMut(Region<'_, T, S>) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        self.below.clear();
        let mut start = 0;
        for part in classes.chunk_by(|left, right| left == right) {
            let end = start + part.len();
            if let Some(class) = part.first().copied().filter(|class| *class != NO_CLASS) {
                // Sizes come from the file's u32 fields.
                self.below.push(Run {
                    start: start as u32,
                    end: end as u32,
                    class,
                    region: u32::MAX,
                });
            }
            start = end;
        }
        self.advance(tally, finished)
    }

    /// Hands over what is left, after the last row.
    pub(crate) fn finish(
        &mut self,
        finished: impl FnMut(Region<'_, T, S>) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        self.below.clear();
        self.advance(|_, _, _| T::default(), finished)
    }

    fn advance(
        &mut self,
        mut tally: impl FnMut(usize, usize, u8) -> T,
        mut finished: impl FnMut(Region<'_, T, S>) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        self.connect()?;
        for index in 0..self.below.len() {
            let run = self.below[index];
            let region = if run.region == u32::MAX {
                self.open(run.class)
            } else {
                self.find(run.region)
            };
            self.below[index].region = region;
            let slot = &mut self.slots[region as usize];
            slot.tally.merge(tally(run.start as usize, run.end as usize, run.class));
            slot.end_row = self.row + 1;
        }
        if let Some((outlines, scratch)) = &mut self.outlines {
            let slots = &mut self.slots;
            outlines.pass(self.row, &self.above, &self.below, |region, ring| {
                let region = find(slots, region);
                let slot = &mut slots[region as usize];
                for ring in rings::simple_rings(ring) {
                    if rings::is_exterior(&ring) {
                        slot.exterior = ring;
                    } else {
                        slot.holes.put(&ring, scratch)?;
                    }
                }
                Ok(())
            })?;
        }
        for index in 0..self.above.len() {
            let region = self.find(self.above[index].region);
            let slot = &mut self.slots[region as usize];
            if slot.is_open && slot.end_row <= self.row {
                slot.is_open = false;
                finished(Region {
                    class: slot.class,
                    tally: std::mem::take(&mut slot.tally),
                    exterior: std::mem::take(&mut slot.exterior),
                    holes: std::mem::take(&mut slot.holes),
                    scratch: self.outlines.as_ref().map(|(_, scratch)| scratch),
                })?;
                self.free.push(region);
            }
        }
        for index in 0..self.below.len() {
            self.below[index].region = self.find(self.below[index].region);
        }
        // Nothing refers to them any more.
        self.free.append(&mut self.merged);
        std::mem::swap(&mut self.above, &mut self.below);
        self.row += 1;
        Ok(())
    }

    /// Gives the runs of the row below the regions of the runs above that they touch.
    fn connect(&mut self) -> Result<(), OutputError> {
        let (mut upper, mut lower) = (0, 0);
        while let (Some(above), Some(below)) = (self.above.get(upper).copied(), self.below.get(lower).copied()) {
            if above.class == below.class && above.start < below.end && below.start < above.end {
                let region = self.find(above.region);
                self.below[lower].region = if below.region == u32::MAX {
                    region
                } else {
                    self.merge(below.region, region)?
                };
            }
            if above.end < below.end { upper += 1 } else { lower += 1 }
        }
        Ok(())
    }

    fn open(&mut self, class: u8) -> u32 {
        let region = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        self.slots[region as usize] = Slot {
            parent: region,
            class,
            is_open: true,
            ..Slot::default()
        };
        region
    }

    fn find(&mut self, region: u32) -> u32 {
        find(&mut self.slots, region)
    }

    fn merge(&mut self, left: u32, right: u32) -> Result<u32, OutputError> {
        let (left, right) = (self.find(left), self.find(right));
        if left == right {
            return Ok(left);
        }
        let other = std::mem::take(&mut self.slots[right as usize]);
        self.slots[right as usize].parent = left;
        self.merged.push(right);
        let slot = &mut self.slots[left as usize];
        slot.tally.merge(other.tally);
        if let Some((_, scratch)) = &mut self.outlines {
            slot.holes.append(other.holes, scratch)?;
        }
        Ok(left)
    }
}

fn find<T>(slots: &mut [Slot<T>], mut region: u32) -> u32 {
    while slots[region as usize].parent != region {
        let parent = slots[region as usize].parent;
        slots[region as usize].parent = slots[parent as usize].parent;
        region = parent;
    }
    region
}

#[cfg(test)]
mod tests;
