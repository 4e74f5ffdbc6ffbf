//! Einsum: the equation, with the ellipsis spelled out, and the output shape.

use super::args::{Args, Inferred};
use crate::graph::Attrs;
use std::collections::BTreeMap;

/// A parsed equation over inputs of known shape. An ellipsis is replaced by unused letters.
#[derive(Debug)]
pub(crate) struct Equation {
    /// The labels of each input, one for each axis.
    pub terms: Vec<Vec<char>>,
    /// The labels of the output.
    pub output: Vec<char>,
    /// The size of each label.
    pub sizes: BTreeMap<char, usize>,
}

impl Equation {
    /// Parses `text`, such as `bij,bjk->bik`, `...ij->...ji` or `ij,j`.
    pub fn parse(text: &str, shapes: &[&[usize]]) -> Result<Equation, String> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = text.split_once("->").map_or((&text[..], None), |(l, r)| (l, Some(r)));
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != shapes.len() {
            return Err(format!(
                "the equation `{text}` has {} terms for {} inputs",
                terms.len(),
                shapes.len()
            ));
        }
        let letters = |term: &str| term.chars().filter(char::is_ascii_alphabetic).count();
        // The axes that an ellipsis stands for, right-aligned among the terms.
        let hidden = |(term, shape): (&&str, &&[usize])| {
            if term.contains("...") { shape.len().saturating_sub(letters(term)) } else { 0 }
        };
        let widest = terms.iter().zip(shapes).map(hidden).max().unwrap_or(0);
        let unused = ('a'..='z').chain('A'..='Z').filter(|c| !text.contains(*c));
        let ellipsis: Vec<char> = unused.take(widest).collect();
        if ellipsis.len() < widest {
            return Err(format!("no rule for the equation `{text}`: it leaves no letter for the ellipsis"));
        }
        let mut sizes: BTreeMap<char, usize> = BTreeMap::new();
        let mut labels = vec![];
        for (term, shape) in terms.iter().zip(shapes) {
            let from = widest - hidden((term, shape));
            let term = spell_out(term, &ellipsis[from..])?;
            if term.len() != shape.len() {
                return Err(format!("the equation `{text}` does not fit an input of shape {shape:?}"));
            }
            for (&label, &size) in term.iter().zip(*shape) {
                match sizes.get(&label) {
                    Some(&known) if known != size && size != 1 && known != 1 => {
                        return Err(format!("`{label}` of `{text}` has the sizes {known} and {size}"));
                    }
                    Some(&known) if known > size || known == 0 => {}
                    _ => drop(sizes.insert(label, size)),
                }
            }
            labels.push(term);
        }
        let output = match right {
            Some(right) => spell_out(right, &ellipsis)?,
            // Without an arrow: the ellipsis, then the letters that occur once, in alphabetical order.
            None => {
                let once = |c: &&char| labels.iter().flatten().filter(|l| l == c).count() == 1;
                let single = sizes.keys().filter(|c| !ellipsis.contains(c)).filter(once);
                ellipsis.iter().chain(single).copied().collect()
            }
        };
        if let Some(label) = output.iter().find(|l| !sizes.contains_key(l)) {
            return Err(format!("`{label}` of the output of `{text}` is not a label of an input"));
        }
        if output.iter().enumerate().any(|(i, l)| output[..i].contains(l)) {
            return Err(format!("the output of `{text}` repeats a label"));
        }
        Ok(Equation { terms: labels, output, sizes })
    }
}

/// The labels of a term.
fn spell_out(term: &str, ellipsis: &[char]) -> Result<Vec<char>, String> {
    let mut labels = vec![];
    let mut rest = term;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            labels.extend(ellipsis);
            rest = after;
        } else if c.is_ascii_alphabetic() {
            labels.push(c);
            rest = &rest[1..];
        } else {
            return Err(format!("`{c}` in the term `{term}` is neither a letter nor an ellipsis"));
        }
    }
    Ok(labels)
}

pub(super) fn infer(attrs: &Attrs, args: &Args<'_>) -> Inferred {
    let x = args.need(0)?;
    let shapes: Vec<&[usize]> = args.present().map(|a| a.shape).collect();
    let equation = Equation::parse(attrs.get_str("equation", ""), &shapes)?;
    Ok(vec![(equation.output.iter().map(|l| equation.sizes[l]).collect(), x.dtype)])
}
