//! What was shown, or confirmed, is what is done: where a store or a file changed in the meantime, nothing is.

use std::fs;

use crate::terminal::Terminal;
use crate::world::World;

const REFUSED: &str = "the store changed in the meantime, and with it what would be done";

#[test]
fn nobody_goes_who_was_not_shown() {
    let world = World::peopled();
    world.write("policy.toml", "version = 1\n[users.alice]\n");
    let mut terminal = Terminal::new(&world, "apply policy.toml --prune", 80);
    terminal.sees("- user bob");
    terminal.sees("Are you sure?");
    world.ok("user add newbie");
    terminal.types("y");
    let (said, exit) = terminal.ends();
    assert!(said.contains(REFUSED), "{said}");
    assert_eq!(exit, 4);
    world.ok("user show bob");
    world.ok("user show newbie");
}

#[test]
fn no_more_is_lost_than_was_shown() {
    let world = World::peopled();
    world.ok("backup copy.db");
    world.ok("user add erin");
    let mut terminal = Terminal::new(&world, "restore copy.db", 80);
    terminal.sees("1 later event is lost");
    terminal.sees("Are you sure?");
    world.ok("user add newbie");
    terminal.types("y");
    let (said, exit) = terminal.ends();
    assert!(said.contains("what would be lost"), "{said}");
    assert_eq!(exit, 4);
    world.ok("user show erin");
    world.ok("user show newbie");
    world.ok("audit verify");
    let mut terminal = Terminal::new(&world, "restore copy.db", 80);
    terminal.sees("Are you sure?");
    terminal.types("y");
    assert_eq!(terminal.ends().1, 0);
    world.run("user show erin").exits(3);
    // A store that came to be meanwhile is none that was lost.
    fs::remove_file(world.file("twofa.db")).unwrap();
    let mut terminal = Terminal::new(&world, "restore copy.db", 80);
    terminal.sees("There is no store at");
    terminal.sees("Are you sure?");
    world.ok("restore copy.db --yes");
    world.ok("user add newbie");
    terminal.types("y");
    let (said, exit) = terminal.ends();
    assert!(said.contains("than a moment ago"), "{said}");
    assert_eq!(exit, 4);
    world.ok("user show newbie");
}

#[test]
fn what_does_not_concern_it_is_no_change() {
    let world = World::peopled();
    world.write("policy.toml", "version = 1\n[users.alice]\nname = 'A'\n");
    let mut terminal = Terminal::new(&world, "apply policy.toml", 80);
    terminal.sees("Are you sure?");
    world.ok("user add newbie");
    terminal.types("y");
    assert_eq!(terminal.ends().1, 0);
    assert_eq!(world.json("user show alice")["name"], "A");
}

/// The file that was judged is the one that is imported, also where another command wrote in between.
#[test]
fn another_file_is_not_imported() {
    for other in [false, true] {
        let world = World::peopled();
        world.write("people.csv", "login\nhal\n");
        let mut terminal = Terminal::new(&world, "user import people.csv", 80);
        terminal.sees("Are you sure?");
        world.write(
            "people.csv",
            "login,groups\nmallory,System administrators\n",
        );
        if other {
            world.ok("user edit alice --name X");
        }
        terminal.types("y");
        let (said, exit) = terminal.ends();
        assert!(
            said.contains("the file changed while it was read"),
            "{said}"
        );
        assert_eq!(exit, 4);
        world.run("user show mallory").exits(3);
        world.run("user show hal").exits(3);
    }
}

/// A code of the app confirms what was shown with it, and nothing else.
#[test]
fn a_code_confirms_what_was_asked() {
    let (world, secret) = World::with_app();
    world.write(
        "people.csv",
        "login,groups\ngood,System administrators\nbob,\n",
    );
    let mut terminal = Terminal::new(&world, "user import people.csv --yes", 80);
    terminal.sees("Code");
    world.ok("user add good");
    terminal.types(&world.app(&secret));
    let (said, exit) = terminal.ends();
    assert_eq!(exit, 4, "{said}");
    assert_eq!(
        world.json("user show good")["groups"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

/// The rows that are rejected are those that stand in the file of them.
#[test]
fn rejected_rows_are_those_that_were_written_down() {
    let world = World::peopled();
    world.write(
        "people.csv",
        "login,email\nfay,fay@example.com\ngus,gus@example.com\n,\n",
    );
    let line = "user import people.csv --rejects rejects.csv";
    let mut terminal = Terminal::new(&world, line, 80);
    terminal.sees("Are you sure?");
    world.ok("user add gus --email other@example.com");
    terminal.types("y");
    let (said, exit) = terminal.ends();
    assert!(said.contains("in the meantime"), "{said}");
    assert_eq!(exit, 4);
    world.run("user show fay").exits(3);
    assert!(!world.file("rejects.csv").exists());
    // Its name was taken from the beginning on.
    let mut terminal = Terminal::new(&world, line, 80);
    terminal.sees("Are you sure?");
    assert_eq!(fs::read(world.file("rejects.csv")).unwrap(), b"");
    terminal.types("n");
    assert_eq!(terminal.ends().1, 4);
    assert!(!world.file("rejects.csv").exists());
}
