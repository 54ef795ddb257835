//! Which learners are one person, and by which further ULNs they are found: what the tables make of it.

use daybook_protocol::{
    entry::Entry,
    event::{LearnersMerged, LearnersUnmerged, UlnAliased},
};
use rusqlite::params;

use super::{
    fold::{Done, Fold, place},
    packed,
};

impl Fold<'_> {
    /// All that concerns the one concerns the other from here on.
    pub(super) fn merged(&self, entry: &Entry, event: &LearnersMerged) -> Done {
        let both = params![packed(event.survivor), packed(event.merged)];
        self.run("UPDATE learner SET merged_into = ?1 WHERE id = ?2", both)?;
        self.run(
            "INSERT OR IGNORE INTO fact (learner, sequence) SELECT ?1, sequence FROM fact WHERE learner = ?2
             UNION SELECT ?1, opened_at FROM learner WHERE id = ?2",
            both,
        )?;
        self.life(entry, Some(event.merged), false)?;
        self.life(entry, Some(event.survivor), true)
    }

    /// What concerned only the one no longer concerns the other, what was said of the one's registrations meanwhile included; that they
    /// were merged still does.
    pub(super) fn unmerged(&self, entry: &Entry, event: &LearnersUnmerged) -> Done {
        let (survivor, merged) = (packed(event.survivor), packed(event.merged));
        self.run("UPDATE learner SET merged_into = NULL WHERE id = ?1", params![merged])?;
        self.run(
            "DELETE FROM fact WHERE learner = ?1 AND sequence <> ?3 AND sequence IN
             (SELECT sequence FROM fact WHERE learner = ?2 UNION SELECT opened_at FROM learner WHERE id = ?2)",
            params![survivor, merged, place(event.merge)],
        )?;
        self.life(entry, Some(event.merged), false)?;
        self.life(entry, Some(event.survivor), true)
    }

    /// The learner is found by a further ULN too, as by one that was theirs before.
    pub(super) fn aliased(&self, entry: &Entry, event: &UlnAliased) -> Done {
        self.run(
            "INSERT INTO former (learner, sequence, uln, person, identity)
             SELECT id, ?2, ?3, person, identity FROM learner WHERE id = ?1",
            params![packed(event.learner), place(entry.sequence), event.alias.0],
        )?;
        Ok(())
    }
}
