//! The files as they would be if the power had gone.
//!
//! What was written is durable once its file was synced, and a name once its directory was. Everything else may be there
//! or not, each thing by itself, and a write may be torn between any two sectors. That is less than a real file system
//! promises (POSIX, `fsync`), so whatever stands on such a one stands here. The index of the log (`-shm`) is shared memory
//! and no state: no image has it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::shim::{Call, Effect};
use crate::remains::{Moments, private};

/// What a disk writes whole.
const SECTOR: usize = 512;

/// How much of what was not synced is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsynced {
    /// All of it: only the process ended.
    Kept,
    /// Nothing.
    Lost,
    /// A part, drawn by this seed.
    Torn(u64),
    /// Every byte, and of the names those whose bits are set.
    Names(u64),
}

/// The files of a directory: `None` is a directory in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Image(pub(super) BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Image {
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    /// Makes a directory be this one.
    pub(super) fn put(&self, directory: &Path) {
        empty(directory);
        for (path, bytes) in &self.0 {
            let path = directory.join(path);
            match bytes {
                None => std::fs::create_dir_all(&path).unwrap(),
                Some(bytes) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    private(&path, bytes);
                }
            }
        }
    }

    /// What a directory is now.
    pub(super) fn of(directory: &Path) -> Image {
        let disk = Disk::of(directory);
        disk.image(Unsynced::Kept)
    }
}

/// Takes everything out of a directory.
pub(super) fn empty(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// What changes a file, until it is synced.
#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
}

fn change(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, bytes) => {
            let at = usize::try_from(*at).unwrap();
            if content.len() < at + bytes.len() {
                content.resize(at + bytes.len(), 0);
            }
            content[at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Cut(size) => content.resize(usize::try_from(*size).unwrap(), 0),
    }
}

#[derive(Debug, Clone)]
struct Content {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory(u64),
}

/// What changes names, until their directory is synced.
#[derive(Debug, Clone)]
enum Naming {
    Add(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
}

type Names = BTreeMap<PathBuf, Node>;

fn name(names: &mut Names, naming: &Naming) {
    match naming {
        Naming::Add(path, node) => {
            names.insert(path.clone(), *node);
        }
        // What was never there is neither renamed nor linked.
        Naming::Rename(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
        Naming::Link(from, to) => {
            if let Some(node) = names.get(from).copied() {
                names.insert(to.clone(), node);
            }
        }
        Naming::Remove(path) => {
            names.remove(path);
        }
    }
}

/// A disk below one directory, as far as is known what reached it.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    root: PathBuf,
    root_number: u64,
    durable: Names,
    pending: Vec<Naming>,
    contents: Vec<Content>,
    /// Which content a number of the system means now: it gives the number of a file that is gone to a new one.
    numbers: BTreeMap<u64, usize>,
}

impl Disk {
    /// A directory, all of it durable.
    pub(super) fn of(root: &Path) -> Disk {
        let root = root.canonicalize().unwrap();
        let mut disk = Disk {
            root_number: root.metadata().unwrap().ino(),
            root: root.clone(),
            durable: Names::new(),
            pending: Vec::new(),
            contents: Vec::new(),
            numbers: BTreeMap::new(),
        };
        let mut open = vec![root];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let number = path.metadata().unwrap().ino();
                if path.is_dir() {
                    disk.durable.insert(path.clone(), Node::Directory(number));
                    open.push(path);
                } else {
                    let durable = std::fs::read(&path).unwrap();
                    let file = disk.begin(number, durable);
                    disk.durable.insert(path, Node::File(file));
                }
            }
        }
        disk
    }

    /// A file that was not there before.
    fn begin(&mut self, number: u64, durable: Vec<u8>) -> usize {
        let pending = Vec::new();
        self.contents.push(Content { durable, pending });
        self.numbers.insert(number, self.contents.len() - 1);
        self.contents.len() - 1
    }

    /// A call more.
    pub(super) fn does(&mut self, call: &Call) {
        let mut later = |file: &u64, change| {
            let file = self.numbers[file];
            self.contents[file].pending.push(change);
        };
        match &call.effect {
            Effect::Nothing | Effect::Spoke { .. } => {}
            Effect::Created { path, file } => {
                let file = self.begin(*file, Vec::new());
                self.pending
                    .push(Naming::Add(path.clone(), Node::File(file)));
            }
            Effect::MadeDirectory { path, file } => self
                .pending
                .push(Naming::Add(path.clone(), Node::Directory(*file))),
            Effect::Wrote { file, at, bytes } => later(file, Change::Write(*at, bytes.clone())),
            Effect::Cut { file, size } => later(file, Change::Cut(*size)),
            Effect::Renamed { from, to } => {
                self.pending.push(Naming::Rename(from.clone(), to.clone()));
            }
            Effect::Linked { from, to } => {
                self.pending.push(Naming::Link(from.clone(), to.clone()));
            }
            Effect::Unlinked { path } => self.pending.push(Naming::Remove(path.clone())),
            Effect::Synced { file } => self.sync(*file),
        }
    }

    fn sync(&mut self, number: u64) {
        let directory = if number == self.root_number {
            Some(self.root.clone())
        } else {
            let names = self.names();
            let found = names
                .iter()
                .find(|(_, node)| **node == Node::Directory(number));
            found.map(|(path, _)| path.clone())
        };
        let Some(directory) = directory else {
            let content = &mut self.contents[self.numbers[&number]];
            for pending in content.pending.drain(..) {
                change(&mut content.durable, &pending);
            }
            return;
        };
        let is_in = |path: &Path| path.parent() == Some(directory.as_path());
        let durable = &mut self.durable;
        self.pending.retain(|naming| {
            let concerned = match naming {
                Naming::Add(path, _) | Naming::Remove(path) => is_in(path),
                Naming::Rename(from, to) | Naming::Link(from, to) => is_in(from) || is_in(to),
            };
            if concerned {
                name(durable, naming);
            }
            !concerned
        });
    }

    /// The names as every process sees them.
    fn names(&self) -> Names {
        let mut names = self.durable.clone();
        for naming in &self.pending {
            name(&mut names, naming);
        }
        names
    }

    /// How many names are not durable.
    pub(super) fn unsynced_names(&self) -> usize {
        self.pending.len()
    }

    /// The files after a loss of power now.
    pub(super) fn image(&self, unsynced: Unsynced) -> Image {
        let mut coins = Moments(match unsynced {
            Unsynced::Torn(seed) => seed,
            _ => 0,
        });
        let mut coin = move || coins.next() >> 63 == 1;
        let stays = |coin: &mut dyn FnMut() -> bool, at: usize| match unsynced {
            Unsynced::Kept => true,
            Unsynced::Lost => false,
            Unsynced::Torn(_) => coin(),
            Unsynced::Names(mask) => mask >> at & 1 == 1,
        };
        let mut names = self.durable.clone();
        for (at, naming) in self.pending.iter().enumerate() {
            if stays(&mut coin, at) {
                name(&mut names, naming);
            }
        }
        let mut image = BTreeMap::new();
        let directories: BTreeSet<PathBuf> = names
            .iter()
            .filter(|(_, node)| matches!(node, Node::Directory(_)))
            .map(|(path, _)| path.clone())
            .chain([self.root.clone()])
            .collect();
        // Where a directory is lost, so is what was in it.
        let reached = |path: &Path| {
            path.ancestors()
                .skip(1)
                .take_while(|above| above.starts_with(&self.root))
                .all(|above| directories.contains(above))
        };
        for (path, node) in names.iter().filter(|(path, _)| reached(path)) {
            let relative = path.strip_prefix(&self.root).unwrap().to_owned();
            if path.to_string_lossy().ends_with("-shm") {
                continue;
            }
            let Node::File(number) = node else {
                image.insert(relative, None);
                continue;
            };
            let content = &self.contents[*number];
            let mut bytes = content.durable.clone();
            for pending in &content.pending {
                match (unsynced, pending) {
                    (Unsynced::Lost, _) => {}
                    (Unsynced::Torn(_), Change::Write(at, whole)) if !coin() => {
                        // Not whole: each sector by itself, and often none.
                        let none = coin();
                        for (number, sector) in whole.chunks(SECTOR).enumerate() {
                            if !none && coin() {
                                let at = at + u64::try_from(number * SECTOR).unwrap();
                                change(&mut bytes, &Change::Write(at, sector.to_vec()));
                            }
                        }
                    }
                    (Unsynced::Torn(_), Change::Cut(_)) if !coin() => {}
                    (_, pending) => change(&mut bytes, pending),
                }
            }
            image.insert(relative, Some(bytes));
        }
        Image(image)
    }
}
