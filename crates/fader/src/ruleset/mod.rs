//! The compiled form: immutable, self-contained, made once and read for ever.
//!
//! Flags, segments and lists have numbers that hold for the life of a handle ([`Registry`]), so a compiled flag stays good
//! when the document around it changes, and unchanged flags are shared between old and new rulesets. Attributes have none:
//! whatever asks for the same one shares its form.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attributes::{AttributeName, Value};
use crate::decision::{Code, Decision};
use crate::hash::{Fingerprint, Reach, Salt};
use crate::key::{DecodedValue, Decoder};
use crate::packed::Packed;
use crate::percent::Percent;
use crate::plan::{Freeze, Plan};
use crate::time::Timestamp;
use crate::wanted::Wanted;

pub(crate) mod condition;
pub(crate) mod list;
pub(crate) mod network;
pub(crate) mod one_draw;
pub(crate) mod pattern;
pub(crate) mod ramp;
pub(crate) mod registry;
pub(crate) mod text;
pub(crate) mod version;

pub(crate) use condition::{Condition, Truth};
use list::IdList;
use one_draw::OneDraw;
use ramp::ClockRamp;
pub(crate) use registry::{KnownVariants, Names, Patterns, Registry};

macro_rules! ids {
    ($($name:ident)*) => {
        $(#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(pub(crate) u32);

        impl $name {
            #[inline]
            pub(crate) fn index(self) -> usize {
                self.0 as usize
            }
        })*
    };
}
ids!(FlagId SegmentId ListId);

impl FlagId {
    /// The number of no flag.
    pub(crate) const NOWHERE: Self = Self(u32::MAX);
}

/// A compiled document.
#[derive(Debug)]
pub(crate) struct Ruleset {
    pub(crate) version: Arc<str>,
    pub(crate) revision: Option<i64>,
    pub(crate) metadata: Option<serde_json::Value>,
    pub(crate) freezes: Box<[Freeze]>,
    /// By [`FlagId`].
    pub(crate) flags: Box<[Slot]>,
    /// The flags of the document, in its order.
    pub(crate) order: Box<[FlagId]>,
    /// Of all flags that ever had a number, also those that this document lacks.
    pub(crate) names: Names,
    /// By [`SegmentId`].
    pub(crate) segments: Box<[Option<Arc<Segment>>]>,
    /// By [`ListId`].
    pub(crate) lists: Box<[Option<Arc<List>>]>,
    /// What the rules of this document can ask for, by name.
    pub(crate) wanted: Wanted,
    /// Whether any answer depends on the time.
    pub(crate) reads_time: bool,
    /// Where the percents of rules stand in the document.
    pub(crate) places: Box<[PercentPlace]>,
}

/// A rule's percent as the document has it, and where.
#[derive(Clone, Debug)]
pub(crate) struct PercentPlace {
    pub(crate) flag: FlagId,
    pub(crate) rule: u16,
    pub(crate) percent: Percent,
    pub(crate) file: Option<Arc<str>>,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// What an evaluation of a flag by itself has to remember, so as not to decide the same thing again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// Nothing: it comes to each flag and segment once.
    Nothing,
    /// So few flags and segments that they fit the stack.
    Few,
    /// More than that: it allocates, of which the load warns. A scope remembers everything anyway.
    Many,
}

/// What a ruleset has under a flag's number.
#[derive(Clone, Debug, Default)]
pub(crate) enum Slot {
    /// The document has no such flag.
    #[default]
    Vacant,
    /// The flag's form in the document, or the last good one where the present one has errors.
    Flag {
        flag: Arc<Flag>,
        recall: Recall,
        /// The fingerprint of the flag's text and of everything that it refers to.
        meaning: u128,
        /// Whether this is the flag's form in the document, and its text gave no cause for a warning.
        settled: bool,
    },
    /// The flag has errors and never had a good form.
    SetAside,
}

impl Slot {
    /// The same for a document whose own form of the flag has errors.
    pub(crate) fn kept(&self) -> Self {
        let mut kept = self.clone();
        if let Self::Flag { settled, .. } = &mut kept {
            *settled = false;
        }
        kept
    }
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: Arc<str>,
    /// Of the segment's text in the document.
    pub(crate) fingerprint: u128,
    pub(crate) condition: Condition,
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) name: Arc<str>,
    /// Of the list's text in the document and the content of its file.
    pub(crate) fingerprint: u128,
    pub(crate) ids: IdList,
}

/// What an evaluation asks for, ready to be compared.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: Arc<str>,
    hash: u64,
    packed: Packed,
}

impl Attribute {
    pub(crate) fn new(name: &Arc<str>) -> Self {
        let (hash, packed) = {
            let name = AttributeName::new(name);
            (name.hash(), name.packed())
        };
        Self {
            name: Arc::clone(name),
            hash,
            packed,
        }
    }

    #[inline]
    pub(crate) fn as_name(&self) -> AttributeName<'_> {
        AttributeName::kept(&self.name, self.hash, self.packed)
    }
}

/// A compiled flag. What evaluation never reads stands behind `about`.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    pub(crate) name: Arc<str>,
    pub(crate) enabled: bool,
    pub(crate) off: Option<u16>,
    pub(crate) default: u16,
    /// How deep its conditions nest in the document.
    pub(crate) depth: u8,
    /// Shared with other flags that have the same ones.
    pub(crate) variants: Arc<[Variant]>,
    pub(crate) rules: Box<[Rule]>,
    pub(crate) one_draw: Option<Box<OneDraw>>,
    /// Of the flag's text in the document, and of the lists that a constant was made of.
    pub(crate) fingerprint: Fingerprint,
    /// `None` where it says nothing.
    pub(crate) about: Option<Box<About>>,
    /// `None` where there is nothing to note.
    pub(crate) written: Option<Box<Written>>,
}

impl Flag {
    /// Tells whether a rule of it draws among units.
    pub(crate) fn draws(&self) -> bool {
        self.rules.iter().any(|rule| rule.draw.is_some())
    }

    /// Tells whether it has a staged ramp: always its last rule, and its only draw.
    pub(crate) fn is_guarded(&self) -> bool {
        self.staged().is_some()
    }

    /// Returns its staged ramp, and the rule that has it.
    pub(crate) fn staged(&self) -> Option<(&Rule, &Staged)> {
        let rule = self.rules.last()?;
        match &rule.draw.as_ref()?.share {
            Share::Staged(staged) => Some((rule, staged)),
            _ => None,
        }
    }

    /// Returns what it serves where it is killed: its `off` variant, or none.
    pub(crate) fn killed(&self) -> Decision {
        let disabled = Decision::of(Code::Disabled);
        self.off.map_or(disabled, |off| disabled.serving(off))
    }
}

/// What has to be known of a flag's text so that the same text need not be read again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// What its rules name, as often as they do.
    pub(crate) references: Box<[Reference]>,
    pub(crate) percents: Box<[WrittenPercent]>,
}

/// A part of the document that a flag's rules name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reference {
    Flag(FlagId),
    Segment(SegmentId),
    List(ListId),
}

/// A rule's percent, and where it stands in the flag's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenPercent {
    pub(crate) rule: u16,
    pub(crate) percent: Percent,
    pub(crate) offset: u32,
}

/// What a flag says of itself that no evaluation reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    pub(crate) description: Option<Box<str>>,
    pub(crate) owner: Option<Box<str>>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) tags: Box<[Box<str>]>,
    pub(crate) metadata: Option<serde_json::Value>,
}

/// A value that a flag can take.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: Box<str>,
    pub(crate) value: serde_json::Value,
    /// The value in a registered type.
    pub(crate) decoded: Option<DecodedValue>,
    /// A number as an integer, where it is one within i64.
    pub(crate) integer: Option<i64>,
    /// A number as the nearest float.
    pub(crate) float: Option<f64>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    /// The rule's name, or its place, such as `rules[2]`.
    pub(crate) label: Arc<str>,
    pub(crate) condition: Condition,
    pub(crate) draw: Option<DrawRule>,
    pub(crate) serve: Serve,
}

/// How a rule draws among units.
#[derive(Debug)]
pub(crate) struct DrawRule {
    pub(crate) unit: Unit,
    pub(crate) salt: Salt,
    pub(crate) share: Share,
}

#[derive(Debug)]
pub(crate) enum Unit {
    Attribute(Arc<Attribute>),
    /// The value of an ambient attribute.
    Constant(Box<Value>),
}

/// How many units a rule takes.
#[derive(Debug)]
pub(crate) enum Share {
    Percent(Reach),
    Clock(Box<ClockRamp>),
    /// A staged ramp, whose controller alone lets anybody in.
    Staged(Box<Staged>),
}

/// A staged ramp.
#[derive(Debug)]
pub(crate) struct Staged {
    /// Who those of its stages enrol that are no percents, in their order.
    pub(crate) waves: Box<[Condition]>,
    pub(crate) plan: Arc<Plan>,
}

#[derive(Debug)]
pub(crate) enum Serve {
    One(u16),
    /// Variants with the cumulative reach of their weights.
    Split(Box<[(Reach, u16)]>),
}

impl Ruleset {
    /// A ruleset before any document.
    pub(crate) fn empty() -> Self {
        Self {
            version: "".into(),
            revision: None,
            metadata: None,
            freezes: Box::default(),
            flags: Box::default(),
            order: Box::default(),
            names: Names::default(),
            segments: Box::default(),
            lists: Box::default(),
            wanted: Wanted::default(),
            reads_time: false,
            places: Box::default(),
        }
    }

    #[inline]
    pub(crate) fn slot(&self, id: FlagId) -> &Slot {
        self.flags.get(id.index()).unwrap_or(&Slot::Vacant)
    }

    pub(crate) fn flag(&self, id: FlagId) -> Option<&Arc<Flag>> {
        match self.slot(id) {
            Slot::Flag { flag, .. } => Some(flag),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn segment(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        self.segments.get(id.index())?.as_ref()
    }

    #[inline]
    pub(crate) fn list(&self, id: ListId) -> Option<&Arc<List>> {
        self.lists.get(id.index())?.as_ref()
    }

    /// Returns a flag's name.
    pub(crate) fn flag_name(&self, id: FlagId) -> Option<&str> {
        self.names.name(id.0).map(|name| &**name)
    }

    /// Finds a flag of the document by name.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<FlagId> {
        let id = FlagId(self.names.find(name)?);
        (!matches!(self.slot(id), Slot::Vacant)).then_some(id)
    }
}

impl Flag {
    /// Returns what the flag's rules name, as often as they do.
    pub(crate) fn references(&self) -> &[Reference] {
        self.written.as_ref().map_or(&[], |it| &it.references)
    }

    #[inline]
    pub(crate) fn variant(&self, index: u16) -> Option<&Variant> {
        self.variants.get(usize::from(index))
    }

    /// Returns the variant that a decision serves.
    #[inline(always)]
    pub(crate) fn served(&self, decision: Decision) -> Option<&Variant> {
        self.variants.get(decision.variant_index())
    }

    /// Finds a rule by its name or place.
    pub(crate) fn rule_named(&self, label: &str) -> Option<usize> {
        self.rules.iter().position(|rule| *rule.label == *label)
    }
}

/// Types that variants are decoded to when a document is loaded, by flag.
pub(crate) type Decoders = HashMap<String, Decoder>;
