//! Lists of ids, inline or from their files.

use std::sync::Arc;

use crate::compile::Input;
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::model::{self, Ids};
use crate::document::slice;
use crate::hash;
use crate::ruleset::list::{IdList, ids_of_file};
use crate::ruleset::{List, ListId, Registry};

/// Compiles a list, or shares its form of before where its text and file are the same; `None` after an error in it.
pub(super) fn compile_list(
    model: &model::List<'_>,
    input: &Input<'_>,
    text: &str,
    registry: &mut Registry,
    report: &mut Report,
) -> (ListId, Option<Arc<List>>) {
    let id = ListId(registry.lists.number(model.name.value));
    let written = slice(text, model.span);
    let file = match &model.ids {
        Ids::File(path) => match input.lists.get(path.value) {
            Some(Ok(content)) => Some((path, content)),
            failed => {
                let reason = match failed {
                    Some(Err(reason)) => reason,
                    _ => "it was not delivered with the document",
                };
                let message = format!("the list file `{}` can't be read: {reason}", path.value);
                report
                    .error(DiagnosticKind::ListFile, path.span, message)
                    .help("the path is relative to the document's directory");
                return (id, None);
            }
        },
        Ids::Inline(_) => None,
        Ids::Invalid => return (id, None),
    };
    let identity = hash::identity_of(
        written.as_bytes(),
        file.map_or(&[], |(_, content)| content.as_slice()),
    );
    if let Some(list) = input
        .previous
        .list(id)
        .filter(|list| list.fingerprint == identity)
    {
        return (id, Some(Arc::clone(list)));
    }
    let ids = match (&model.ids, file) {
        (_, Some((path, content))) => match ids_of_file(content) {
            Ok(ids) => IdList::new(ids, model.exact, input.list_seed),
            Err(line) => {
                let message = format!("the list file `{}` is not UTF-8 in line {line}", path.value);
                report
                    .error(DiagnosticKind::ListFile, path.span, message)
                    .help("save the file as UTF-8");
                return (id, None);
            }
        },
        (Ids::Inline(ids), _) => {
            IdList::new(ids.iter().map(|id| &**id), model.exact, input.list_seed)
        }
        _ => return (id, None),
    };
    (
        id,
        Some(Arc::new(List {
            name: model.name.value.into(),
            fingerprint: identity,
            ids,
        })),
    )
}
