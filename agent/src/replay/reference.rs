//! What was in force beside the policies when an entry was made: the registers of reference data, and the configuration, which says what
//! headings and values mean in a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use daybook_protocol::{
    entry::Entry,
    event::{Event, ReferenceLoaded, Register},
    ids::Sequence,
};

use crate::{
    config::{Config, Folder},
    desk::Registers,
    office::Office,
};

/// See the module's description.
#[derive(Default)]
pub(super) struct InForce {
    pub(super) registers: Registers,
    /// Those that were loaded since a register was asked for last, which may take each other's place before they are read.
    loaded: BTreeMap<Register, (Sequence, ReferenceLoaded)>,
    unreadable: BTreeSet<Register>,
    config: Option<Config>,
}

impl InForce {
    /// Follows the log.
    pub(super) fn follow(&mut self, entry: &Entry) {
        match &entry.event {
            Event::ReferenceLoaded(loaded) => {
                self.loaded.insert(loaded.register, (entry.sequence, loaded.clone()));
            }
            // What this version does not understand says nothing here of folders.
            Event::ConfigAdopted(adopted) => self.config = Config::adopted(&adopted.text).ok(),
            _ => {}
        }
    }

    /// Whether all registers in force can be read: else what they would have stood against must not pass.
    pub(super) fn read(&mut self, office: &Office) -> bool {
        for (register, (version, loaded)) in mem::take(&mut self.loaded) {
            match office.register_loaded(&loaded) {
                Some(content) => {
                    self.unreadable.remove(&register);
                    self.registers.adopt(version, content);
                }
                None => {
                    self.unreadable.insert(register);
                }
            }
        }
        self.unreadable.is_empty()
    }

    /// A drop folder.
    pub(super) fn folder(&self, name: &str) -> Option<Folder> {
        self.config.as_ref().and_then(|config| config.folder(name))
    }
}
