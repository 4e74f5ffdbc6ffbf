//! The worker's queue of requests. During an inversion, which takes minutes, it lets previews pass ahead of other requests.

use crate::messages::Request;
use crossbeam_channel::Receiver;
use gani_core::edit::Edit;
use gani_core::face::Keep;
use gani_core::runtime::Cancel;
use std::collections::VecDeque;

/// Requests in the order of their arrival.
pub struct Queue {
    arriving: Receiver<(Request, Cancel)>,
    /// Requests that arrived during an inversion and are no previews.
    waiting: VecDeque<(Request, Cancel)>,
}

impl Queue {
    /// The queue that `arriving` fills.
    pub fn new(arriving: Receiver<(Request, Cancel)>) -> Queue {
        Queue { arriving, waiting: VecDeque::new() }
    }

    /// Waits for the next request; none when the sender is gone.
    pub fn next(&mut self) -> Option<(Request, Cancel)> {
        self.waiting.pop_front().or_else(|| self.arriving.recv().ok())
    }

    /// The latest preview among the requests that have arrived, without waiting. Older previews are dropped.
    pub fn latest_preview(&mut self) -> Option<(Vec<Edit>, Keep, Cancel)> {
        let mut latest = None;
        for (request, cancel) in self.arriving.try_iter() {
            match request {
                Request::Preview(edits, keep) => latest = Some((edits, keep, cancel)),
                other => self.waiting.push_back((other, cancel)),
            }
        }
        latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    #[test]
    fn the_latest_preview_passes_ahead_and_nothing_else_is_lost() {
        let (sender, receiver) = unbounded();
        let mut queue = Queue::new(receiver);
        assert!(queue.latest_preview().is_none());
        for strength in [1.0, 2.0] {
            let preview = Request::Preview(vec![Edit::new("smile", strength)], Keep::All);
            sender.send((preview, Cancel::new())).unwrap();
            sender.send((Request::Invert, Cancel::new())).unwrap();
        }
        assert_eq!(queue.latest_preview().unwrap().0[0].strength, 2.0);
        assert!(queue.latest_preview().is_none());
        drop(sender);
        let inversions = std::iter::from_fn(|| queue.next()).filter(|(r, _)| matches!(r, Request::Invert));
        assert_eq!(inversions.count(), 2);
    }
}
