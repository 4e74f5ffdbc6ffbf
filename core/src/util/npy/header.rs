//! The header of an `.npy` file: a Python dict literal with `descr`, `fortran_order` and `shape`.

/// Maximum length of a header in bytes. NumPy writes 128.
const MAX_HEADER: usize = 4096;

/// Maximum number of axes, as in NumPy.
const MAX_AXES: usize = 64;

/// An element type, with its size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float(usize),
    Int(usize),
    Unsigned(usize),
    Bool,
}

impl Element {
    fn parse(code: &str) -> Option<Element> {
        let (kind, size) = (code.get(..1)?, code.get(1..)?.parse().ok()?);
        match (kind, size) {
            ("f", 2 | 4 | 8) => Some(Element::Float(size)),
            ("i", 1 | 2 | 4 | 8) => Some(Element::Int(size)),
            ("u", 1 | 2 | 4 | 8) => Some(Element::Unsigned(size)),
            ("b", 1) => Some(Element::Bool),
            _ => None,
        }
    }

    /// Size in bytes.
    pub fn size(self) -> usize {
        match self {
            Element::Float(size) | Element::Int(size) | Element::Unsigned(size) => size,
            Element::Bool => 1,
        }
    }

    /// NumPy's name without the byte order: `f4`.
    pub fn name(self) -> String {
        match self {
            Element::Float(size) => format!("f{size}"),
            Element::Int(size) => format!("i{size}"),
            Element::Unsigned(size) => format!("u{size}"),
            Element::Bool => "b1".into(),
        }
    }
}

/// The content of a header.
#[derive(Debug)]
pub(super) struct Header {
    pub element: Element,
    pub big_endian: bool,
    pub fortran_order: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// Splits a file into its header and the bytes of its elements.
    pub fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
        let magic = bytes.strip_prefix(b"\x93NUMPY").and_then(|rest| rest.split_first_chunk::<2>());
        let (&[major, _], rest) = magic.ok_or("it does not begin with NumPy's signature")?;
        let split = match major {
            1 => rest.split_first_chunk().map(|(n, rest)| (u16::from_le_bytes(*n) as usize, rest)),
            2 | 3 => rest.split_first_chunk().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest)),
            _ => return Err(format!("version {major} of the format is unknown")),
        };
        let (length, rest) = split.ok_or("its header is truncated")?;
        if length > MAX_HEADER {
            return Err(format!("its header has {length} bytes; at most {MAX_HEADER} are supported"));
        }
        let (text, data) = rest.split_at_checked(length).ok_or("its header is truncated")?;
        let text = std::str::from_utf8(text).map_err(|_| "its header is not text")?;
        let mut fields = Fields(text);
        let header = fields.header().ok_or_else(|| {
            let shown: String = text.trim_end().chars().take(60).collect();
            format!("its header is not understood: {}", shown.escape_debug())
        })?;
        header.map(|header| (header, data))
    }
}

/// The rest of a header that is being parsed. There is no recursion: values do not nest.
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// `None` for a syntax error; an error in words for an element type that is not supported.
    fn header(&mut self) -> Option<Result<Header, String>> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.token("{")?;
        while self.token("}").is_none() {
            let key = self.string()?;
            self.token(":")?;
            match key {
                "descr" => descr = Some(self.string()?),
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return None,
            }
            if self.token(",").is_none() {
                self.token("}")?;
                break;
            }
        }
        if !self.0.trim().is_empty() {
            return None;
        }
        let (descr, fortran_order, shape) = (descr?, fortran_order?, shape?);
        let code = descr.trim_start_matches(['<', '>', '|', '=']);
        let Some(element) = Element::parse(code) else {
            return Some(Err(match code {
                "O" => "its elements are pickled Python objects, which are never loaded; save plain arrays, a dict of \
                        arrays with numpy.savez(path, **arrays)"
                    .into(),
                _ => format!("its elements are `{}`, not numbers that gani reads", descr.escape_debug()),
            }));
        };
        Some(Ok(Header { element, big_endian: descr.starts_with('>'), fortran_order, shape }))
    }

    fn token(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (inside, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        Some(inside)
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.token("True") {
            Some(()) => Some(true),
            None => self.token("False").map(|()| false),
        }
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        self.token("(")?;
        let (inside, rest) = self.0.split_once(')')?;
        self.0 = rest;
        let mut shape = Vec::new();
        let mut items = inside.split(',').map(str::trim).peekable();
        while let Some(item) = items.next() {
            // After the last comma.
            if item.is_empty() && items.peek().is_none() {
                break;
            }
            // Python 2 wrote `512L`.
            shape.push(item.trim_end_matches('L').parse().ok()?);
            if shape.len() > MAX_AXES {
                return None;
            }
        }
        Some(shape)
    }
}
