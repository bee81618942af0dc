//! How a world begins: what its seed draws, or nothing that goes wrong.

use crate::config::Config;
use crate::server::{Dice, Server};
use crate::store::Store;
use crate::world::World;
use postrider_core::recovery::decide::Policy;
use postrider_core::recovery::history::History;
use postrider_core::run::settings::Settings;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::of(seed ^ 0x5151);
        let mut cfg = Config::drawn(&mut dice);
        cfg.jumps |= cfg.far;
        // Where UIDs begin anew or are used again, or its folder has another name, meanwhile, nothing tells it
        // from the one that it was.
        let same = !cfg.anew && !cfg.restores && !cfg.ahead && !cfg.folder_ops;
        cfg.rewrites &= same;
        let confirm_after = Duration::from_secs(if cfg.far { 60 } else { 0 });
        let misfit = dice.chance(12);
        let settings = Settings {
            confirm_after,
            guard_floor: *dice.pick(&[1, 2, 50]),
            page_messages: usize::try_from(1 + dice.roll(3)).unwrap(),
            recent_messages: 1 + dice.roll(5),
            flags_window: 1 + u32::try_from(dice.roll(3)).unwrap(),
            policy: Policy { first_wait: Duration::from_millis(1), ..Policy::default() },
            ..Settings::default()
        };
        let mut world = Self {
            cfg,
            now: 1_000,
            server: Server::default(),
            store: Store::new(),
            machine: None,
            epoch: 0,
            connecting: false,
            session: None,
            sessions: 0,
            queue: VecDeque::new(),
            answers: VecDeque::new(),
            reads: VecDeque::new(),
            deleted: Vec::new(),
            counting: false,
            timer: false,
            wakes_at: 0,
            faults: true,
            lies_on: BTreeSet::new(),
            list_lied: false,
            odd: BTreeSet::new(),
            flagged: BTreeMap::new(),
            most: 14,
            off: 0,
            refuse: 0,
            first_open: None,
            cut_short: false,
            mute: None,
            opened: BTreeMap::new(),
            boundaries: BTreeMap::new(),
            fetched: 0,
            newborn: true,
            recognitions: 0,
            steps: 60 + dice.roll(400),
            trace: false,
            slow: false,
            log: Vec::new(),
            truth: BTreeMap::new(),
            old: Vec::new(),
            touched: BTreeMap::new(),
            moves: Vec::new(),
            rewriting: None,
            settings,
            asked: None,
            last_outcome: None,
            last_when: None,
            left_unread: 0,
            last_lines: Vec::new(),
            life: None,
            history: History::default(),
            push: false,
            purse: None,
            dice,
        };
        let folders = if world.cfg.many { 5 + world.dice.roll(3) } else { 1 + world.dice.roll(4) };
        for _ in 0..folders {
            world.server.create();
        }
        world.most = if world.cfg.many { 24 } else { 14 };
        for _ in 0..world.dice.roll(9) {
            world.append();
        }
        if world.dice.chance(30) {
            world.operate("expunge");
        }
        if misfit {
            let names: Vec<String> = world.server.folders.keys().cloned().collect();
            let name = world.dice.pick(&names).clone();
            let folder = world.server.folders.get_mut(&name).unwrap();
            folder.surplus = 1 + u32::try_from(world.dice.roll(2)).unwrap();
        }
        world.old =
            world.server.folders.values().flat_map(|f| f.mail.values()).map(|m| m.cid).collect();
        world.now += 10;
        world
    }

    /// A world without faults, with these folders, for a script.
    pub(crate) fn tame(folders: usize) -> Self {
        let mut world = Self::new(1);
        world.cfg = Config::tame();
        world.server = Server::default();
        for _ in 0..folders {
            world.server.create();
        }
        world.old.clear();
        world.settings.guard_floor = 50;
        world.faults = false;
        world.trace = true;
        world
    }
}
