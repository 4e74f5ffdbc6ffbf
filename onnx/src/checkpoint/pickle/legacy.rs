//! The format of PyTorch before 1.6, which plain pickles also use for single storages: a magic number, a
//! protocol version, system information, the object, and the list of storage keys, all as pickles; then the
//! element count and the elements of each storage.

use super::value::{Budget, Location, Node, Pickle, Storage};
use crate::Result;
use crate::checkpoint::element::Element;
use crate::checkpoint::source::Source;
use std::collections::HashMap;

/// The magic number 0x1950a86a20f9469cfc6c as a pickle of protocol 2.
pub(in crate::checkpoint) const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// The only version of the protocol.
const PROTOCOL: i64 = 1001;

/// Reads a whole file.
pub(in crate::checkpoint) fn read(source: &Source) -> Result<Pickle> {
    stream(source, 0, source.len, &mut Budget::new())
}

/// Reads the single storage in the bytes from `at` to `end`: the argument of `_load_from_bytes`.
pub(super) fn storage(source: &Source, at: u64, end: u64, budget: &mut Budget) -> Result<Storage> {
    let pickle = stream(source, at, end, budget)?;
    match (&pickle.nodes[pickle.root as usize], &pickle.storages[..]) {
        (Node::Storage(0), [storage]) => Ok(storage.clone()),
        _ => Err(source.bad(format!("damaged: the bytes at {at} do not contain a storage"))),
    }
}

fn stream(source: &Source, at: u64, end: u64, budget: &mut Budget) -> Result<Pickle> {
    let damaged = |what: &str, at: u64| source.bad(format!("damaged: {what} (byte {at})"));
    if end - at < MAGIC.len() as u64 || source.array::<{ MAGIC.len() }>(at)? != MAGIC {
        return Err(damaged("this is not the start of a legacy PyTorch file", at));
    }
    let version = super::read(source, at + MAGIC.len() as u64, end, budget)?;
    match version.nodes[version.root as usize] {
        Node::Int(PROTOCOL) => {}
        _ => return Err(damaged("the protocol version is not 1001", at)),
    }
    let system = super::read(source, version.end, end, budget)?;
    if is_big_endian(&system) {
        return Err(
            source.unsupported("its numbers are big-endian; load and save it on a little-endian machine")
        );
    }
    let mut object = super::read(source, system.end, end, budget)?;
    let keys = super::read(source, object.end, end, budget)?;
    let Node::List(listed) = &keys.nodes[keys.root as usize] else {
        return Err(damaged("the list of storages is missing", object.end));
    };

    // The element type of each storage, from the tensors that refer to it.
    let mut elements: HashMap<&str, Option<Element>> = HashMap::new();
    for storage in &object.storages {
        if let Location::Key(key) = &storage.place {
            elements.insert(key, storage.element);
        }
    }
    let mut found: HashMap<String, (u64, u64)> = HashMap::new();
    let mut next = keys.end;
    for &id in listed {
        let key = match &keys.nodes[id as usize] {
            Node::Text(key) => key,
            _ => return Err(damaged("a storage has no key", object.end)),
        };
        let element =
            elements.get(&key[..]).ok_or_else(|| damaged("a storage belongs to no tensor", next))?;
        if end - next < 8 {
            return Err(source.truncated(next));
        }
        let count = u64::from_le_bytes(source.array(next)?);
        let size = count.checked_mul(element.map_or(1, Element::size) as u64);
        let end_of_storage = size
            .and_then(|size| (next + 8).checked_add(size))
            .filter(|&end_of_storage| end_of_storage <= end);
        found.insert(key.clone(), (next + 8, count));
        next = end_of_storage.ok_or_else(|| source.truncated(next))?;
    }
    for storage in &mut object.storages {
        let Location::Key(key) = &storage.place else { continue };
        let &(at, count) =
            found.get(key).ok_or_else(|| source.bad(format!("damaged: the storage `{key}` is missing")))?;
        (storage.place, storage.count) = (Location::At(at), storage.count.min(count));
    }
    object.end = next;
    Ok(object)
}

fn is_big_endian(system: &Pickle) -> bool {
    let Node::Dict(facts) = &system.nodes[system.root as usize] else { return false };
    facts.iter().any(|&(key, value)| {
        matches!(&system.nodes[key as usize], Node::Text(t) if t == "little_endian")
            && matches!(system.nodes[value as usize], Node::Bool(false))
    })
}
