//! A tensor of a checkpoint: checked when the file is opened, read on first access.

use super::element::{Element, Values};
use super::pickle::{Location, Pickle, View};
use super::source::Source;
use crate::{Result, Tensor};

/// Bytes that are converted at a time.
const BLOCK: usize = 64 << 10;

/// The location of a tensor in the file. [`Stored::new`] has checked that it is inside the file.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub element: Element,
    pub shape: Vec<usize>,
    strides: Vec<usize>,
    /// Byte offset of its first element in the file.
    at: u64,
    /// Number of elements.
    pub count: usize,
    /// Number of elements from the first to the last, including those in between that do not belong to it.
    span: usize,
}

impl Stored {
    /// Checks a view against its storage, and the storage against the file.
    ///
    /// # Errors
    /// [`Error::Model`](crate::Error::Model) if either does not fit.
    pub fn new(source: &Source, name: &str, view: &View, pickle: &Pickle) -> Result<Stored> {
        let inconsistent = || {
            source.bad(format!(
                "`{name}` of shape {:?} and strides {:?} does not fit its storage: damaged, or truncated",
                view.shape, view.strides
            ))
        };
        let storage = &pickle.storages[view.storage];
        let Location::At(begin) = storage.place else { return Err(inconsistent()) };
        if view.shape.len() != view.strides.len() {
            return Err(inconsistent());
        }
        let count = view.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(inconsistent)?;
        let last = view.shape.iter().zip(&view.strides).try_fold(0u64, |at, (&dim, &stride)| {
            at.checked_add((dim.saturating_sub(1) as u64).checked_mul(stride)?)
        });
        let last = last.filter(|_| count > 0);
        let span =
            if count == 0 { 0 } else { last.and_then(|l| l.checked_add(1)).ok_or_else(inconsistent)? };
        // In bytes: the element sizes of view and storage may differ.
        let size = view.element.size() as u64;
        let held = storage.count.checked_mul(storage.element.map_or(1, Element::size) as u64);
        let from = view.offset.checked_mul(size).ok_or_else(inconsistent)?;
        let end_in_storage =
            view.offset.checked_add(span).and_then(|n| n.checked_mul(size)).ok_or_else(inconsistent)?;
        if storage.element.is_some_and(|e| e != view.element) || held.is_none_or(|held| end_in_storage > held)
        {
            return Err(inconsistent());
        }
        if begin.checked_add(end_in_storage).is_none_or(|end| end > source.len) {
            return Err(source.truncated(begin));
        }
        let strides = view.strides.iter().map(|&s| usize::try_from(s).ok()).collect::<Option<_>>();
        Ok(Stored {
            element: view.element,
            shape: view.shape.clone(),
            strides: strides.ok_or_else(inconsistent)?,
            at: begin + from,
            count,
            span: usize::try_from(span).map_err(|_| inconsistent())?,
        })
    }

    /// Number of elements that are read to load it.
    pub fn cost(&self) -> u64 {
        self.count.max(self.span) as u64
    }

    /// Reads the tensor, row-major.
    pub fn read(&self, source: &Source) -> Result<Tensor> {
        let size = self.element.size();
        let mut values = Values::with_capacity(self.element, self.span);
        let mut block = vec![0; BLOCK.min(self.span * size)];
        let (mut at, mut left) = (self.at, self.span * size);
        while left > 0 {
            let now = left.min(BLOCK);
            source.read_at(at, &mut block[..now])?;
            values.extend(self.element, &block[..now]);
            (at, left) = (at + now as u64, left - now);
        }
        if !self.is_row_major() {
            values = values.gather(offsets(&self.shape, &self.strides, self.count));
        }
        let tensor = Tensor::new(&self.shape, values.into_data());
        tensor.ok_or_else(|| source.bad("a tensor does not match its shape"))
    }

    fn is_row_major(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&dim, &stride)| {
            let fits = dim <= 1 || stride == expected;
            expected *= dim;
            fits
        })
    }
}

/// Offsets of a strided view's elements in row-major order.
fn offsets<'v>(shape: &'v [usize], strides: &'v [usize], count: usize) -> impl Iterator<Item = usize> + 'v {
    let mut index = vec![0; shape.len()];
    let mut offset = 0;
    (0..count).map(move |_| {
        let now = offset;
        // Advance to the next index; the last axis varies fastest.
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            offset += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            offset -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
        now
    })
}
