//! Boundaries of regions, drawn as rows pass.
//!
//! Between two rows lies a line of the lattice of pixel corners. At each of its corners up to four edges meet (up, right, down, left); an
//! edge lies between pixels of different classes. Going around a corner clockwise, two edges that follow each other have one region between
//! them, whose boundary comes in along the first and leaves along the second, with the region on its left. The boundaries of all regions
//! are therefore drawn together, and where three or four edges meet, each of the regions gets the corner: neighbours share their vertices,
//! whatever map they are drawn on.

use std::collections::VecDeque;

use super::{Corner, Run};
use crate::error::OutputError;

/// Part of a boundary whose ends are still open.
#[derive(Debug, Default)]
struct Chain {
    parent: u32,
    corners: VecDeque<Corner>,
}

/// An edge that crosses a row: the chains along its left and right side.
#[derive(Debug, Clone, Copy)]
struct Crossing {
    column: u32,
    /// The boundary of the region on the left, which starts below, where it is open.
    west: Option<u32>,
    /// The boundary of the region on the right, which ends below, where it is open.
    east: Option<u32>,
}

/// An edge along the current line: the chains above and below it.
#[derive(Debug, Clone, Copy, Default)]
struct Along {
    /// The boundary of the region above, which ends at the right, where it is open.
    above: Option<u32>,
    /// The boundary of the region below, which starts at the right, where it is open.
    below: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Outlines {
    chains: Vec<Chain>,
    free: Vec<u32>,
    merged: Vec<u32>,
    crossings: Vec<Crossing>,
}

/// The four edges of a corner, clockwise.
const UP: usize = 0;
const RIGHT: usize = 1;
const DOWN: usize = 2;
const LEFT: usize = 3;

impl Outlines {
    /// Draws the line between two rows; `closed` takes each ring that it completes, and the region of the ring.
    pub(super) fn pass(
        &mut self,
        y: u32,
        above: &[Run],
        below: &[Run],
        mut closed: impl FnMut(u32, Vec<Corner>) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        let mut old = std::mem::take(&mut self.crossings).into_iter().peekable();
        let mut crossings = Vec::with_capacity(2 * below.len());
        let (mut upper, mut lower) = (Pixels::new(above), Pixels::new(below));
        let mut along = Along::default();
        while let Some(x) = match (upper.next_change(), lower.next_change()) {
            (Some(upper), Some(lower)) => Some(upper.min(lower)),
            (upper, lower) => upper.or(lower),
        } {
            let (north_west, north_east) = upper.pass(x);
            let (south_west, south_east) = lower.pass(x);
            let crossing = old.next_if(|crossing| crossing.column == x);
            // Clockwise, each with the pixels before and behind it.
            let pixels = [north_east, south_east, south_west, north_west];
            let exists = |edge: usize| class(pixels[(edge + 3) % 4]) != class(pixels[edge]);
            let edges: Vec<usize> = (0..4).filter(|edge| exists(*edge)).collect();
            let is_straight = edges.len() == 2 && edges.iter().sum::<usize>() % 2 == 0;
            let corner = (!is_straight).then_some([x, y]);
            let mut new_along = Along::default();
            let mut new_crossing = Crossing {
                column: x,
                west: None,
                east: None,
            };
            for (index, from) in edges.iter().copied().enumerate() {
                let to = edges[(index + 1) % edges.len()];
                let Some((_, region)) = pixels[from] else { continue };
                let incoming = match from {
                    UP => crossing.and_then(|crossing| crossing.east),
                    LEFT => along.above,
                    _ => None,
                };
                let outgoing = match to {
                    UP => crossing.and_then(|crossing| crossing.west),
                    LEFT => along.below,
                    _ => None,
                };
                let chain = match (incoming, outgoing) {
                    (Some(incoming), Some(outgoing)) => {
                        if let Some(ring) = self.join(incoming, corner, outgoing) {
                            closed(region, ring)?;
                        }
                        continue;
                    }
                    (Some(incoming), None) => {
                        let chain = self.find(incoming);
                        self.chains[chain as usize].corners.extend(corner);
                        chain
                    }
                    (None, Some(outgoing)) => {
                        let chain = self.find(outgoing);
                        if let Some(corner) = corner {
                            self.chains[chain as usize].corners.push_front(corner);
                        }
                        chain
                    }
                    (None, None) => self.start(corner),
                };
                match from {
                    RIGHT => new_along.below = Some(chain),
                    DOWN => new_crossing.west = Some(chain),
                    _ => {}
                }
                match to {
                    RIGHT => new_along.above = Some(chain),
                    DOWN => new_crossing.east = Some(chain),
                    _ => {}
                }
            }
            along = new_along;
            if exists(DOWN) {
                crossings.push(new_crossing);
            }
        }
        for crossing in &mut crossings {
            crossing.west = crossing.west.map(|chain| self.find(chain));
            crossing.east = crossing.east.map(|chain| self.find(chain));
        }
        // Nothing refers to them any more.
        self.free.append(&mut self.merged);
        self.crossings = crossings;
        Ok(())
    }

    /// Number of chains that there is space for.
    #[cfg(test)]
    pub(super) fn open_chains(&self) -> usize {
        self.chains.len()
    }

    fn start(&mut self, corner: Option<Corner>) -> u32 {
        let chain = self.free.pop().unwrap_or_else(|| {
            self.chains.push(Chain::default());
            self.chains.len() as u32 - 1
        });
        self.chains[chain as usize] = Chain {
            parent: chain,
            corners: corner.into_iter().collect(),
        };
        chain
    }

    fn find(&mut self, mut chain: u32) -> u32 {
        while self.chains[chain as usize].parent != chain {
            let parent = self.chains[chain as usize].parent;
            self.chains[chain as usize].parent = self.chains[parent as usize].parent;
            chain = parent;
        }
        chain
    }

    /// Joins the end of one chain to the start of another; returns the ring if they are the same chain.
    fn join(&mut self, first: u32, corner: Option<Corner>, second: u32) -> Option<Vec<Corner>> {
        let (first, second) = (self.find(first), self.find(second));
        self.chains[first as usize].corners.extend(corner);
        if first == second {
            self.merged.push(first);
            return Some(std::mem::take(&mut self.chains[first as usize].corners).into());
        }
        let mut head = std::mem::take(&mut self.chains[first as usize].corners);
        let mut tail = std::mem::take(&mut self.chains[second as usize].corners);
        // The shorter one moves, so that a long boundary that grows by short pieces is not copied each time.
        let (kept, corners) = if head.len() >= tail.len() {
            head.append(&mut tail);
            (first, head)
        } else {
            while let Some(corner) = head.pop_back() {
                tail.push_front(corner);
            }
            (second, tail)
        };
        let moved = if kept == first { second } else { first };
        self.chains[moved as usize].parent = kept;
        self.chains[kept as usize].corners = corners;
        self.merged.push(moved);
        None
    }
}

/// Class and region of a pixel, if it has one.
type Pixel = Option<(u8, u32)>;

fn class(pixel: Pixel) -> Option<u8> {
    pixel.map(|(class, _)| class)
}

/// A row's runs, read from left to right.
struct Pixels<'a> {
    runs: &'a [Run],
    /// The first run is entered.
    is_inside: bool,
}

impl<'a> Pixels<'a> {
    fn new(runs: &'a [Run]) -> Self {
        Self { runs, is_inside: false }
    }

    /// The next column at which the class changes.
    fn next_change(&self) -> Option<u32> {
        let run = self.runs.first()?;
        Some(if self.is_inside { run.end } else { run.start })
    }

    /// Moves to column `x`, which is not beyond the next change; returns the pixels left and right of it.
    fn pass(&mut self, x: u32) -> (Pixel, Pixel) {
        let pixel = |run: &Run| (run.class, run.region);
        let left = self.runs.first().filter(|_| self.is_inside).map(pixel);
        if self.is_inside && self.runs.first().is_some_and(|run| run.end == x) {
            self.runs = self.runs.get(1..).unwrap_or_default();
            self.is_inside = false;
        }
        if !self.is_inside && self.runs.first().is_some_and(|run| run.start == x) {
            self.is_inside = true;
        }
        (left, self.runs.first().filter(|_| self.is_inside).map(pixel))
    }
}
