//! Mistakes in a document: what, where, and the likely cure.

use std::fmt;
use std::sync::Arc;

use crate::document::suggest::suggest;
use crate::document::syntax::Span;

/// How much a [`Diagnostic`] weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The document, or the flag it is in, can't be used.
    Error,
    /// The document works, but probably not as meant.
    Warning,
}

impl Severity {
    /// Returns `error` or `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What sort of mistake a [`Diagnostic`] reports: stable names for programs, where messages are for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DiagnosticKind {
            $($(#[$doc])* $kind,)*
        }

        impl DiagnosticKind {
            /// Returns the kind's name, such as `unknown-variant`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// The text is not JSON with comments and trailing commas, or not UTF-8.
    Syntax = "syntax",
    /// Nested, or referring to one another, deeper than an evaluation can follow.
    TooDeep = "too-deep",
    /// More rules or variants than a flag can have.
    TooMany = "too-many",
    /// The same key twice in one object.
    DuplicateKey = "duplicate-key",
    /// The same name twice among a flag's rules.
    DuplicateName = "duplicate-name",
    /// A field or operator that does not exist.
    UnknownField = "unknown-field",
    /// A field that has to be there.
    MissingField = "missing-field",
    /// A value of another JSON type than the field takes.
    WrongType = "wrong-type",
    /// A value of the right type that the field does not take.
    InvalidValue = "invalid-value",
    /// A variant that the flag does not have.
    UnknownVariant = "unknown-variant",
    /// A segment that the document does not have.
    UnknownSegment = "unknown-segment",
    /// A list that the document does not have.
    UnknownList = "unknown-list",
    /// A flag that the document does not have.
    UnknownFlag = "unknown-flag",
    /// Fields that exclude each other.
    Conflict = "conflict",
    /// Values of different types where one type is needed.
    MixedTypes = "mixed-types",
    /// Weights that do not sum to 100.
    Weights = "weights",
    /// A percent or weight that is no exact decimal from 0 to 100 of at most six places.
    Percent = "percent",
    /// A pattern that the `regex` crate refuses.
    Regex = "regex",
    /// A text that is no RFC 3339 instant.
    Date = "date",
    /// A text that is no duration.
    Duration = "duration",
    /// A text that is no version requirement.
    Version = "version",
    /// A text that is no network.
    Network = "network",
    /// Flags or segments that refer to one another in a circle.
    Cycle = "cycle",
    /// A guarded ramp where none can stand.
    GuardedRamp = "guarded-ramp",
    /// A list file that can't be read.
    ListFile = "list-file",
    /// An element of a list that is no id.
    ListId = "list-id",
    /// A variant's value that the registered type can't be decoded from.
    Decode = "decode",
    /// A revision below the live one.
    Revision = "revision",
    /// A document without flags, from a network source, in the place of one that has some.
    EmptyDocument = "empty-document",
    /// An overlay's entry that the document has no use for.
    Overlay = "overlay",
    /// A rule that evaluation never comes to.
    UnreachableRule = "unreachable-rule",
    /// A condition that can't hold.
    NeverHolds = "never-holds",
    /// A condition that always holds.
    AlwaysHolds = "always-holds",
    /// A segment that nothing uses.
    UnusedSegment = "unused-segment",
    /// A list that nothing uses.
    UnusedList = "unused-list",
    /// A flag past its `expires`.
    Expired = "expired",
    /// A percent by client address: a company shares one.
    PercentByIp = "percent-by-ip",
    /// A percent of 100, which still leaves out whoever has no unit.
    PercentEverybody = "percent-everybody",
    /// A draw whose units earlier draws have taken already.
    DrawReachesNobody = "draw-reaches-nobody",
    /// A `by` or `salt` where nothing is hashed.
    NothingHashed = "nothing-hashed",
    /// A staged ramp without a running controller, which enrols nobody.
    WaitingRamp = "waiting-ramp",
    /// A ramp whose last stage no absolute guardrail watches.
    NoAbsoluteGuardrail = "no-absolute-guardrail",
    /// A stage of a ramp that lowers the percent.
    FallingPercent = "falling-percent",
    /// A stage that can't be taken back and that nobody is asked for.
    UnapprovedStage = "unapproved-stage",
    /// A guardrail's `for` where no gauge is watched.
    UnusedFor = "unused-for",
    /// A pattern too large for the form that never allocates.
    SlowRegex = "slow-regex",
    /// A flag that refers to so many segments and flags that an answer outside of a scope allocates.
    ManyReferences = "many-references",
    /// An overlay's percent that hides the document's.
    OverlayHolds = "overlay-holds",
}

impl fmt::Display for DiagnosticKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One mistake in a document, with its place and a cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub(crate) severity: Severity,
    pub(crate) kind: DiagnosticKind,
    pub(crate) file: Option<Arc<str>>,
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Diagnostic {
    /// Returns whether it is an error or a warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Returns what sort of mistake it is.
    #[must_use]
    pub fn kind(&self) -> DiagnosticKind {
        self.kind
    }

    /// Returns the file that it is in, where that is not the document's own: one of a folder, or the overlay's source.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Returns where in the document it is, such as `flags.checkout.rules[2].serve`; empty for the whole document.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the line, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the column, from 1, in characters.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the likely cure.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        write!(f, "{}:{}: {}: ", self.line, self.column, self.severity)?;
        if !self.path.is_empty() {
            write!(f, "at {}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; help: {help}"),
            None => Ok(()),
        }
    }
}

/// Why a document or an overlay was refused: every mistake found, warnings beside them.
///
/// Its text is the first error and the number of others; [`diagnostics`](Self::diagnostics) has all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    source_name: Arc<str>,
    diagnostics: Vec<Diagnostic>,
}

impl CompileError {
    pub(crate) fn new(source_name: Arc<str>, diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            source_name,
            diagnostics,
        }
    }

    /// Returns the name of the source that delivered the document: a path, an address.
    #[must_use]
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// Returns every mistake, in the order of the text.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns the first error; of a field that is missing because it is misspelt, the misspelling.
    #[must_use]
    pub fn first(&self) -> Option<&Diagnostic> {
        let mut errors = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error);
        let first = errors.clone().next()?;
        if first.kind != DiagnosticKind::MissingField {
            return Some(first);
        }
        let inside = |other: &&Diagnostic| {
            let field = other.path.strip_prefix(&*first.path);
            other.kind == DiagnosticKind::UnknownField
                && field.is_some_and(|field| field.rfind(['.', ']']).unwrap_or(0) == 0)
        };
        errors.find(inside).or(Some(first))
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .count();
        match self.first() {
            Some(first) if first.file.is_some() => write!(f, "{first}")?,
            Some(first) => write!(f, "{}:{first}", self.source_name)?,
            None => write!(f, "{} was refused", self.source_name)?,
        }
        match errors {
            0 | 1 => Ok(()),
            2 => f.write_str(" (and one error more)"),
            more => write!(f, " (and {} errors more)", more - 1),
        }
    }
}

impl std::error::Error for CompileError {}

/// A mistake found while reading, at a stretch of the text; it becomes a [`Diagnostic`] once all are known.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    pub(crate) kind: DiagnosticKind,
    pub(crate) span: Span,
    /// Where the name stands that comes here a second time.
    pub(crate) first: Option<Span>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Collects the problems of one document.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
    /// How many of them stand at places of the whole text.
    placed: usize,
    /// Names that suggestions have been looked for among.
    compared: usize,
}

/// How many names suggestions may be looked for among: a document of thousands of mistakes and names gets its first
/// suggestions, and the rest without.
const MAX_COMPARED: usize = 200_000;

impl Report {
    pub(crate) fn error(
        &mut self,
        kind: DiagnosticKind,
        span: Span,
        message: impl Into<String>,
    ) -> Reported<'_> {
        self.push(Severity::Error, kind, span, message.into())
    }

    pub(crate) fn warning(
        &mut self,
        kind: DiagnosticKind,
        span: Span,
        message: impl Into<String>,
    ) -> Reported<'_> {
        self.push(Severity::Warning, kind, span, message.into())
    }

    fn push(
        &mut self,
        severity: Severity,
        kind: DiagnosticKind,
        span: Span,
        message: String,
    ) -> Reported<'_> {
        self.problems.push(Problem {
            severity,
            kind,
            span,
            first: None,
            message,
            help: None,
        });
        Reported(self)
    }

    /// Takes the places of what was reported since the last time for those of a part, and finds them in the whole text.
    pub(crate) fn place(&mut self, in_whole: impl Fn(Span) -> Span) {
        for problem in self.problems.iter_mut().skip(self.placed) {
            problem.span = in_whole(problem.span);
            problem.first = problem.first.map(&in_whole);
        }
        self.placed = self.problems.len();
    }

    pub(crate) fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
    }
}

/// The problem reported last, to be given its cure.
pub(crate) struct Reported<'r>(&'r mut Report);

impl Reported<'_> {
    pub(crate) fn help_if(self, applies: bool, help: &str) {
        if applies {
            self.help(help);
        }
    }

    /// Says where the name stands that comes a second time.
    pub(crate) fn second_of(self, first: Span) -> Self {
        if let Some(problem) = self.0.problems.last_mut() {
            problem.first = Some(first);
        }
        self
    }

    pub(crate) fn help(self, help: impl Into<String>) {
        if let Some(problem) = self.0.problems.last_mut() {
            problem.help = Some(help.into());
        }
    }

    /// Suggests the nearest of the names that are known.
    pub(crate) fn suggest<'a>(self, found: &str, known: impl IntoIterator<Item = &'a str>) {
        if self.0.compared > MAX_COMPARED {
            return;
        }
        let known: Vec<&str> = known.into_iter().collect();
        self.0.compared += known.len();
        if let Some(help) = suggest(found, &known) {
            self.help(help);
        }
    }
}
