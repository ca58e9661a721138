//! Several documents that make one: those of a folder.
//!
//! Their sections are put behind one another into the text of one document, which is then read as any other, and each
//! place of it is that of a file. Only what can't be put so is told by itself: a text that does not parse, and one whose
//! sections are not objects.

use std::sync::Arc;

use jsonc_parser::ast;

use crate::compile::{diagnostics, syntax_diagnostic, text_of};
use crate::document::diagnostic::{Diagnostic, Report};
use crate::document::syntax::{self, Lines, Span, Syntax};
use crate::document::text::Text;
use crate::document::{read, slice};
use crate::source::Part;

/// The fields whose entries make one object, in the order in which they stand in the composed text.
const SECTIONS: [&str; 4] = ["metadata", "segments", "lists", "flags"];

/// The text that several documents make.
pub(crate) struct Composed<'p> {
    pub(crate) text: String,
    parts: Vec<(Arc<str>, &'p str)>,
    pieces: Vec<Piece>,
}

/// A stretch of the composed text, and where it comes from.
#[derive(Clone, Copy)]
struct Piece {
    part: usize,
    /// Where it stands in the composed text, and in that of its part.
    at: usize,
    from: usize,
    length: usize,
}

/// Puts documents together; of those that can't be, returns everything that is wrong.
pub(crate) fn compose(parts: &[Part]) -> Result<Composed<'_>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut texts = Vec::with_capacity(parts.len());
    let mut fields: [Vec<(usize, Span)>; SECTIONS.len()] = Default::default();
    let mut others = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let mut tell = |mut diagnostics: Vec<Diagnostic>| {
            for diagnostic in &mut diagnostics {
                diagnostic.file = Some(Arc::clone(&part.name));
            }
            found.append(&mut diagnostics);
        };
        let text = match text_of(&part.bytes) {
            Ok(text) => text,
            Err(diagnostic) => {
                tell(vec![diagnostic]);
                continue;
            }
        };
        texts.push((Arc::clone(&part.name), text));
        let root = match syntax::parse(text, Syntax::Document) {
            Ok(root) => root,
            Err(problem) => {
                tell(vec![syntax_diagnostic(problem, text)]);
                continue;
            }
        };
        let Some(object) = regular(&root) else {
            tell(irregularities(&root, text));
            continue;
        };
        for property in &object.properties {
            let name = property.name.as_str();
            match SECTIONS.iter().position(|section| *section == name) {
                Some(section) => {
                    let inside = inside(&property.value).map(|span| (number, span));
                    fields
                        .get_mut(section)
                        .into_iter()
                        .for_each(|section| section.extend(inside));
                }
                None if name == "$schema" => {}
                None => others.push((number, Span::of(property))),
            }
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let mut composed = Composed {
        text: "{".to_owned(),
        parts: texts,
        pieces: Vec::new(),
    };
    others
        .into_iter()
        .for_each(|(part, span)| composed.push(part, span));
    for (section, fields) in SECTIONS.into_iter().zip(fields) {
        if fields.is_empty() {
            continue;
        }
        composed.text.extend(["\"", section, "\": {"]);
        fields
            .into_iter()
            .for_each(|(part, span)| composed.push(part, span));
        composed.text.push_str("},\n");
    }
    composed.text.push('}');
    Ok(composed)
}

/// Returns the root of a document whose sections are objects, each there once.
fn regular<'r, 't>(root: &'r ast::Value<'t>) -> Option<&'r ast::Object<'t>> {
    let ast::Value::Object(object) = root else {
        return None;
    };
    let mut seen = Vec::new();
    let fits = object.properties.iter().all(|property| {
        let name = property.name.as_str();
        let is_new = !seen.contains(&name);
        seen.push(name);
        is_new
            && match &property.value {
                ast::Value::Object(_) => name != "$schema",
                ast::Value::StringLit(_) => !SECTIONS.contains(&name),
                _ => !SECTIONS.contains(&name) && name != "$schema",
            }
    });
    fits.then_some(object)
}

/// Reads a document by itself, for what is wrong with it.
fn irregularities(root: &ast::Value<'_>, text: &str) -> Vec<Diagnostic> {
    let text = Text::whole(text);
    let mut report = Report::default();
    read(root, &text, &mut report);
    let problems = std::mem::take(&mut report.problems);
    diagnostics(problems, root, &text, &Places::of(text.all()))
}

/// Returns the stretch of an object's entries, without what stands around them: a comma behind the last one, comments.
fn inside(value: &ast::Value<'_>) -> Option<Span> {
    let ast::Value::Object(object) = value else {
        return None;
    };
    let (first, last) = (object.properties.first()?, object.properties.last()?);
    Some(Span {
        start: Span::of(first).start,
        end: Span::of(last).end,
    })
}

impl Composed<'_> {
    fn push(&mut self, part: usize, span: Span) {
        let Some((_, text)) = self.parts.get(part) else {
            return;
        };
        let written = slice(text, span);
        self.pieces.push(Piece {
            part,
            at: self.text.len(),
            from: span.start,
            length: written.len(),
        });
        self.text.push_str(written);
        self.text.push_str(",\n");
    }

    pub(crate) fn places(&self) -> Places<'_> {
        let files = self
            .parts
            .iter()
            .map(|(name, text)| (Some(Arc::clone(name)), Lines::new(text)));
        Places {
            files: files.collect(),
            pieces: &self.pieces,
        }
    }
}

/// Turns places of a document's text into files, lines and columns.
pub(crate) struct Places<'t> {
    files: Vec<(Option<Arc<str>>, Lines<'t>)>,
    pieces: &'t [Piece],
}

/// A place as people are told of it.
pub(crate) struct Place {
    /// The file, where there are several.
    pub(crate) file: Option<Arc<str>>,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl<'t> Places<'t> {
    /// Those of a document that is one text.
    pub(crate) fn of(text: &'t str) -> Self {
        Self {
            files: vec![(None, Lines::new(text))],
            pieces: &[],
        }
    }

    pub(crate) fn are_of_several(&self) -> bool {
        self.files.len() > 1
    }

    pub(crate) fn place(&self, at: usize) -> Place {
        let before = self.pieces.partition_point(|piece| piece.at <= at);
        let piece = before
            .checked_sub(1)
            .and_then(|last| self.pieces.get(last))
            .filter(|piece| at <= piece.at + piece.length);
        let (file, at) = match piece {
            Some(piece) => (self.files.get(piece.part), piece.from + (at - piece.at)),
            None if self.pieces.is_empty() => (self.files.first(), at),
            None => (None, at),
        };
        let Some((file, lines)) = file else {
            // What stands around the pieces is in no file.
            return Place {
                file: None,
                line: 1,
                column: 1,
            };
        };
        let (line, column) = lines.place(at);
        Place {
            file: file.clone(),
            line,
            column,
        }
    }
}

#[cfg(test)]
mod tests;
