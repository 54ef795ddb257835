//! Which learners are one person, and by which further ULNs they are found: few, so that all of it costs nobody else anything. A
//! learner who was merged into another has no one merged into them, by the desk's rule.

use std::collections::HashMap;

use daybook_protocol::ids::{Sequence, Token};

/// See the module's description. Learners are slots.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// Whom a learner was merged into, and by which entry.
    into: HashMap<u32, (u32, Sequence)>,
    /// The other way round, in the order of the entries.
    members: HashMap<u32, Vec<u32>>,
    /// Whose a further ULN is.
    holders: HashMap<Token, u32>,
    /// The other way round, with the entries that gave them.
    aliases: HashMap<u32, Vec<(Token, Sequence)>>,
}

/// What a snapshot keeps of it: who was merged into whom by which entry, and whose a further ULN is by which entry.
pub(super) type Saved = (Vec<(u32, u32, Sequence)>, Vec<(u32, Token, Sequence)>);

impl Ties {
    pub(super) fn merge(&mut self, merged: u32, survivor: u32, by: Sequence) {
        self.unmerge(merged);
        self.into.insert(merged, (survivor, by));
        self.members.entry(survivor).or_default().push(merged);
    }

    pub(super) fn unmerge(&mut self, merged: u32) {
        let Some((survivor, _)) = self.into.remove(&merged) else { return };
        if let Some(members) = self.members.get_mut(&survivor) {
            members.retain(|member| *member != merged);
        }
    }

    pub(super) fn alias(&mut self, learner: u32, uln: Token, by: Sequence) {
        self.holders.insert(uln, learner);
        self.aliases.entry(learner).or_default().push((uln, by));
    }

    /// Who stands for a learner: whoever they were merged into, or they themselves.
    pub(super) fn survivor(&self, learner: u32) -> u32 {
        self.into.get(&learner).map_or(learner, |(survivor, _)| *survivor)
    }

    /// Who was merged into a learner, and by which entries.
    pub(super) fn members(&self, survivor: u32) -> impl Iterator<Item = (u32, Sequence)> {
        let members = self.members.get(&survivor).into_iter().flatten();
        members.filter_map(|member| self.into.get(member).map(|(_, by)| (*member, *by)))
    }

    /// Whose a further ULN is.
    pub(super) fn holder(&self, uln: &Token) -> Option<u32> {
        self.holders.get(uln).copied()
    }

    /// The further ULNs of a learner, those of who was merged not counted.
    pub(super) fn aliases(&self, learner: u32) -> &[(Token, Sequence)] {
        self.aliases.get(&learner).map_or(&[], Vec::as_slice)
    }

    pub(super) fn save(&self) -> Saved {
        let mut merges: Vec<_> = self.into.iter().map(|(merged, (survivor, by))| (*merged, *survivor, *by)).collect();
        merges.sort_unstable_by_key(|(.., by)| *by);
        let aliases = self.aliases.iter().flat_map(|(slot, all)| all.iter().map(|(uln, by)| (*slot, *uln, *by)));
        let mut aliases: Vec<_> = aliases.collect();
        aliases.sort_unstable_by_key(|(.., by)| *by);
        (merges, aliases)
    }

    pub(super) fn restore((merges, aliases): Saved) -> Self {
        let mut ties = Self::default();
        for (merged, survivor, by) in merges {
            ties.merge(merged, survivor, by);
        }
        for (learner, uln, by) in aliases {
            ties.alias(learner, uln, by);
        }
        ties
    }
}
