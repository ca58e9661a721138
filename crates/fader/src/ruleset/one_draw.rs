//! The common rollout, in one piece.

use crate::decision::{Code, Decision, LastDraw};
use crate::hash::Salt;
use crate::ruleset::{Attribute, Condition, Rule, Serve, Share, Truth, Unit};
use std::hint::select_unpredictable;

/// All there is to know of a flag whose only rule draws a share of the units and asks nothing.
#[derive(Debug)]
pub(crate) struct OneDraw {
    /// A copy, since following a pointer to it would take longer than comparing it.
    pub(crate) attribute: Attribute,
    salt: Salt,
    below: u64,
    inside: Decision,
    outside: Decision,
    pub(crate) no_unit: Decision,
}

impl OneDraw {
    /// Takes the rules of a flag together, if they are no more than that.
    pub(crate) fn of(rules: &[Rule], default: u16) -> Option<Box<Self>> {
        let [
            Rule {
                condition: Condition::Constant(Truth::True),
                draw: Some(draw),
                serve: Serve::One(variant),
                ..
            },
        ] = rules
        else {
            return None;
        };
        let (Unit::Attribute(attribute), Share::Percent(reach)) = (&draw.unit, &draw.share) else {
            return None;
        };
        if reach.everyone {
            return None;
        }
        let no_unit = Decision::of(Code::Default).serving(default);
        Some(Box::new(Self {
            attribute: (**attribute).clone(),
            salt: draw.salt,
            below: reach.below,
            inside: Decision::of(Code::Split)
                .serving(*variant)
                .by_rule(0)
                .drawn(LastDraw::by_rule(0, true)),
            outside: no_unit.drawn(LastDraw::by_rule(0, false)),
            no_unit,
        }))
    }

    /// Decides for a unit.
    #[inline(always)]
    pub(crate) fn decide(&self, unit: &[u8]) -> Decision {
        let enrolled = self.salt.position(unit) < self.below;
        // No predictor can know who is enrolled.
        select_unpredictable(enrolled, self.inside, self.outside)
    }
}
