//! The allow-list of what a pickle may name and call: the constructors that checkpoints use, and what each
//! becomes.

use super::legacy;
use super::machine::Machine;
use super::value::{Global, Id, Location, MAX_LINE, Node, Storage, View};
use crate::checkpoint::element::Element;
use crate::checkpoint::source::Source;
use crate::{Error, Result};

/// Maximum number of axes of a tensor, as in PyTorch.
const MAX_AXES: usize = 64;

/// The allow-list.
fn lookup(module: &str, name: &str) -> Option<Global> {
    let typed = || Element::from_storage(name).map(|e| Global::Storage(Some(e)));
    Some(match (module, name) {
        ("collections", "OrderedDict" | "defaultdict") => Global::Dict,
        ("builtins" | "__builtin__", "dict") | ("dnnlib.util" | "dnnlib", "EasyDict") => Global::Dict,
        ("builtins" | "__builtin__", "list" | "tuple" | "set" | "frozenset") => Global::List,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::Tensor,
        ("torch._utils", "_rebuild_tensor_v3") => Global::TypedTensor,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::First,
        ("torch._tensor", "_rebuild_from_type_v2") => Global::FromType,
        ("torch.storage", "_load_from_bytes") => Global::LoadFromBytes,
        ("torch.storage" | "torch", "UntypedStorage") => Global::Storage(None),
        ("torch" | "torch.cuda", _) if typed().is_some() => typed()?,
        ("torch", _) if Element::from_dtype(name).is_some() => Global::DType(Element::from_dtype(name)?),
        ("torch_utils.persistence", "_reconstruct_persistent_obj") => Global::Persistent,
        ("argparse", "Namespace") | ("copy_reg" | "copyreg", "_reconstructor") => Global::Object,
        (module, _) if module.starts_with("torch.nn.modules.") => Global::Object,
        ("torch", "Size" | "device" | "Tensor") | ("torch.nn.parameter", "Parameter") => Global::Opaque,
        ("builtins" | "__builtin__", "object" | "int" | "float" | "bool" | "str" | "complex") => {
            Global::Opaque
        }
        ("numpy", "dtype" | "ndarray") | ("_codecs", "encode") => Global::Opaque,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::Opaque,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Global::Array,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Global::Array,
        ("pathlib", "PosixPath" | "WindowsPath" | "PurePosixPath") => Global::Opaque,
        _ => return None,
    })
}

/// The error for a name that is not on the allow-list: the reason, and the fix.
fn refusal(source: &Source, module: &str, name: &str, at: u64) -> Error {
    // Names are untrusted: they must not contain terminal control sequences.
    let name = format!("{module}.{name}").escape_debug().to_string();
    let asked = format!("its pickle asks for `{name}` (byte {at})");
    if module.starts_with("dnnlib.tflib") {
        return source.unsupported(format!(
            "{asked}: a TensorFlow StyleGAN2; convert it with legacy.py of NVlabs/stylegan2-ada-pytorch"
        ));
    }
    if module == "torch" || module.starts_with("torch.") {
        return source.unsupported(format!(
            "{asked}, which is not supported; save the plain weights with torch.save(model.state_dict(), …)"
        ));
    }
    source.bad(format!(
        "refused: {asked}, which no list of weights needs and which could run code in Python; nothing was run. \
         If you trust the file, save its weights alone with torch.save(model.state_dict(), …)"
    ))
}

impl Machine<'_, '_> {
    /// GLOBAL: pushes a class or function, if it is on the allow-list.
    pub(super) fn global(&mut self, module: &str, name: &str, at: u64) -> Result<()> {
        let global = lookup(module, name).ok_or_else(|| refusal(self.source(), module, name, at))?;
        self.push(Node::Global(global));
        Ok(())
    }

    pub(super) fn stack_global(&mut self, at: u64) -> Result<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Node::Text(module), Node::Text(name)) = (self.node(module), self.node(name)) else {
            return Err(self.malformed("names a class by a value that is not text", at));
        };
        if module.len().max(name.len()) > MAX_LINE {
            return Err(self.malformed("names a class with too long a name", at));
        }
        let (module, name) = (module.clone(), name.clone());
        self.global(&module, &name, at)
    }

    /// Pushes the result of calling `class` with `args`.
    pub(super) fn make(&mut self, class: Id, args: Vec<Id>, at: u64) -> Result<()> {
        let Node::Global(global) = *self.node(class) else {
            return Err(self.malformed("calls a value that is not a class", at));
        };
        let node = match global {
            Global::Dict => Node::Dict(self.pairs(&args)?),
            Global::List => match args.first().map(|&items| self.node(items)) {
                Some(Node::List(items)) => {
                    let items = items.clone();
                    self.charge(items.len())?;
                    Node::List(items)
                }
                _ => Node::List(vec![]),
            },
            Global::Tensor => self.tensor(&args, None, at)?,
            Global::TypedTensor => match args.get(6).map(|&id| self.node(id)) {
                Some(&Node::Global(Global::DType(element))) => self.tensor(&args, Some(element), at)?,
                _ => return Err(self.malformed("makes a tensor of an unsupported type", at)),
            },
            Global::First => match args.first().map(|&id| self.node(id)) {
                Some(&Node::Tensor(view)) => Node::Tensor(view),
                _ => return Err(self.malformed("makes a parameter of a value that is not a tensor", at)),
            },
            Global::FromType => {
                let [function, _, inner, ..] = args[..] else {
                    return Err(self.malformed("makes a tensor of too few arguments", at));
                };
                return match (self.node(function), self.node(inner)) {
                    // Only functions that do not call further ones, so that the recursion ends.
                    (
                        Node::Global(Global::Tensor | Global::TypedTensor | Global::First),
                        Node::List(items),
                    ) => {
                        let items = items.clone();
                        self.charge(items.len())?;
                        self.make(function, items, at)
                    }
                    _ => Err(self.malformed("makes a tensor with an unsupported function", at)),
                };
            }
            Global::LoadFromBytes => self.load_from_bytes(&args, at)?,
            Global::Persistent => match args.first() {
                Some(&meta) => Node::Object(self.field(meta, "state")?),
                None => Node::Object(None),
            },
            Global::Object => Node::Object(None),
            Global::Array => Node::Array,
            Global::Storage(_) | Global::DType(_) | Global::Opaque => Node::Opaque,
        };
        self.push(node);
        Ok(())
    }

    /// BUILD: sets the state of an object. The state of a dict is `_metadata`, which is not needed.
    pub(super) fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let object = self.top()?;
        if let Node::Object(own @ None) = &mut self.pickle.nodes[object as usize] {
            *own = Some(state);
        }
        Ok(())
    }

    /// The entries of a dict constructed as `OrderedDict([[key, value], …])`.
    fn pairs(&mut self, args: &[Id]) -> Result<Vec<(Id, Id)>> {
        let Some(Node::List(items)) = args.first().map(|&items| self.node(items)) else { return Ok(vec![]) };
        let pair = |&id: &Id| match self.node(id) {
            Node::List(pair) if pair.len() == 2 => Some((pair[0], pair[1])),
            _ => None,
        };
        let (pairs, met) = (items.iter().filter_map(pair).collect(), items.len());
        self.charge(met)?;
        Ok(pairs)
    }

    /// The value under `key` in a dict.
    fn field(&mut self, dict: Id, key: &str) -> Result<Option<Id>> {
        let Node::Dict(pairs) = self.node(dict) else { return Ok(None) };
        self.charge(pairs.len())?;
        let Node::Dict(pairs) = self.node(dict) else { return Ok(None) };
        let found = pairs.iter().rev().find(|(k, _)| matches!(self.node(*k), Node::Text(t) if t == key));
        Ok(found.map(|(_, value)| *value))
    }

    fn unsigned(&self, id: Id) -> Option<u64> {
        match self.node(id) {
            Node::Int(v) => u64::try_from(*v).ok(),
            _ => None,
        }
    }

    fn unsigned_list(&self, id: Id) -> Option<Vec<u64>> {
        match self.node(id) {
            Node::List(items) => items.iter().map(|&item| self.unsigned(item)).collect(),
            _ => None,
        }
    }

    fn tensor(&mut self, args: &[Id], element: Option<Element>, at: u64) -> Result<Node> {
        let malformed = || self.malformed("makes a tensor of wrong arguments", at);
        let &[storage, offset, size, stride, ..] = args else { return Err(malformed()) };
        let &Node::Storage(storage) = self.node(storage) else { return Err(malformed()) };
        let offset = self.unsigned(offset).ok_or_else(malformed)?;
        let (shape, strides) =
            self.unsigned_list(size).zip(self.unsigned_list(stride)).ok_or_else(malformed)?;
        let element = element.or(self.pickle.storages[storage].element).ok_or_else(malformed)?;
        if shape.len() > MAX_AXES {
            return Err(self.source().limit(format!("a tensor has more than {MAX_AXES} axes")));
        }
        let shape = shape.into_iter().map(|d| usize::try_from(d).ok()).collect::<Option<_>>();
        let shape = shape.ok_or_else(|| self.malformed("makes a tensor of wrong arguments", at))?;
        self.pickle.views.push(View { storage, element, offset, shape, strides });
        Ok(Node::Tensor(self.pickle.views.len() - 1))
    }

    /// BINPERSID: `("storage", class, key, device, count)` refers to a storage outside the pickle.
    pub(super) fn persistent(&mut self, at: u64) -> Result<()> {
        let id = self.pop()?;
        let parts = match self.node(id) {
            Node::List(parts) => parts.get(..5).map(|five| (five.to_vec(), parts.get(5).copied())),
            _ => None,
        };
        let (parts, view) =
            parts.ok_or_else(|| self.malformed("refers to a value that is not a storage", at))?;
        if view.is_some_and(|id| !matches!(self.node(id), Node::None)) {
            return Err(self
                .source()
                .unsupported("written by PyTorch before 0.4; load and save it with a newer one"));
        }
        let (Node::Text(kind), &Node::Global(Global::Storage(element)), Node::Text(key), Some(count)) =
            (self.node(parts[0]), self.node(parts[1]), self.node(parts[2]), self.unsigned(parts[4]))
        else {
            return Err(self.malformed("refers to a value that is not a storage", at));
        };
        if kind != "storage" {
            return Err(self.malformed(&format!("refers to a `{kind}`, not to a storage"), at));
        }
        let key = key.clone();
        self.charge_text(key.len() as u64)?;
        self.pickle.storages.push(Storage { element, count, place: Location::Key(key) });
        self.push(Node::Storage(self.pickle.storages.len() - 1));
        Ok(())
    }

    /// The storage in a byte string, which is a legacy file of its own.
    fn load_from_bytes(&mut self, args: &[Id], at: u64) -> Result<Node> {
        let Some(&Node::Bytes { at: begin, len }) = args.first().map(|&id| self.node(id)) else {
            return Err(self.malformed("loads a storage from a value that is not a byte string", at));
        };
        if std::mem::replace(&mut self.budget.nested, true) {
            return Err(self.source().limit("it has a storage inside a storage"));
        }
        let storage = legacy::storage(self.input.source, begin, begin + len, self.budget)?;
        self.budget.nested = false;
        self.pickle.storages.push(storage);
        Ok(Node::Storage(self.pickle.storages.len() - 1))
    }
}
