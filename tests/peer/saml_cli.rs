//! Whole logins through the command line, with providers that are not ours: set up from their own metadata, sent with our
//! request, answered by them, and judged with what they answered.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::saml::{MFA, OURS, PROVIDER, part, script};
use crate::world::World;
use crate::{peer, succeeds};

/// A store with `alice` and our key pair, whose clock is the machine's; and the provider's directory.
fn world() -> (World, std::path::PathBuf) {
    let world = World::new();
    world.use_real_clock();
    world.ok("user add alice --email alice@example.com");
    world.write("ours.pem", OURS);
    let at = world.file("provider");
    std::fs::create_dir(&at).unwrap();
    std::fs::write(at.join("key.pem"), part(PROVIDER, "PRIVATE KEY")).unwrap();
    std::fs::write(at.join("cert.pem"), part(PROVIDER, "CERTIFICATE")).unwrap();
    std::fs::write(at.join("sp.pem"), part(OURS, "CERTIFICATE")).unwrap();
    (world, at)
}

/// Sends `login` to `idp`, has it answered, and hands the answer in; the verdict, with the exit status it has to have.
fn login(world: &World, line: &str, exit: i32, answer: impl FnOnce(&str) -> String) -> Value {
    let begun = world.run(&format!("{line} -o json")).json(18);
    let url = begun["sso"]["redirect_url"].as_str().unwrap();
    let answer = answer(url);
    let challenge = begun["challenge"].as_str().unwrap();
    let verify = format!("login verify {challenge} --saml-response-stdin -o json");
    let verdict = world.run(&verify).stdin(answer.trim()).json(exit);
    let again = world.run(&verify).stdin(answer.trim()).json(12);
    assert_eq!(again["reason"], "sso_used");
    verdict
}

#[test]
fn pysaml2_logs_in_through_the_command_line() {
    let python = peer("python3", "apt-get install python3");
    peer("xmlsec1", "apt-get install xmlsec1");
    succeeds(Command::new(&python).args(["-c", "import saml2"]));
    let (world, at) = world();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-W", "ignore"]).arg(script("saml_idp.py"));
        succeeds(command.arg(&at).args(arguments))
    };
    world.write("idp.xml", &run(&["metadata"]));
    world.ok(
        "idp add py --metadata idp.xml --key-pair ours.pem --acs-url https://sp.example.org/acs",
    );
    world.ok("idp edit py --sign-requests yes --require-mfa-context yes --name-id-format email");
    std::fs::write(at.join("sp.xml"), world.ok("idp metadata py").stdout).unwrap();
    world.ok("idp enable py");
    for kind in ["response", "assertion", "both", "encrypted"] {
        let verdict = login(&world, "login start alice --idp py", 0, |url| {
            run(&["answer", url, kind])
        });
        assert_eq!(verdict["user"], "alice", "{kind}");
        assert_eq!(verdict["sso"]["name_id"], "alice@example.com", "{kind}");
        assert_eq!(verdict["sso"]["contexts"][0], MFA, "{kind}");
        assert_eq!(verdict["sso"]["second_factor"], true, "{kind}");
    }
    // By itself, and as somebody who is not here yet.
    world.ok("user remove alice --yes");
    let unknown = |url: &str| run(&["answer", url, "both"]);
    let verdict = login(&world, "login start --idp py", 11, unknown);
    assert_eq!(verdict["sso"]["refusal"], "sso_unknown_user");
    world.ok("idp edit py --employees create");
    let verdict = login(&world, "login start --idp py", 0, unknown);
    assert_eq!(verdict["sso"]["created"], true);
    let alice = world.json("user show alice@example.com");
    assert_eq!(alice["name"], "Alïce & <Co>");
    assert_eq!(alice["email"], "alice@example.com");
    assert_eq!(world.json("audit verify")["intact"], true);
}

#[test]
fn samlp_logs_in_through_the_command_line() {
    let node = peer("node", "apt-get install nodejs");
    let npm = peer("npm", "apt-get install npm");
    let modules = succeeds(Command::new(npm).args(["root", "--global"]));
    let (world, at) = world();
    let answer = |url: &str, kind: &str| {
        let mut command = Command::new(&node);
        command.env("NODE_PATH", modules.trim());
        command.arg(script("saml_idp.js")).arg(Path::new(&at));
        succeeds(command.args([url, kind]))
    };
    world.ok("idp add node --entity-id urn:samlp.example.com --sso-url 'https://samlp.example.com/sso?tenant=a' \
         --certificate provider/cert.pem --key-pair ours.pem --sign-requests yes --acs-url https://sp.example.org/acs");
    world.ok("idp enable node");
    for kind in ["response", "assertion", "both", "encrypted"] {
        let verdict = login(&world, "login start alice --idp node", 0, |url| {
            answer(url, kind)
        });
        assert_eq!(verdict["user"], "alice", "{kind}");
    }
    // Encrypted for a key that is not ours any more.
    world.ok("idp edit node --sign-requests no --no-key-pair");
    let begun = world.run("login start alice --idp node -o json").json(18);
    assert!(
        !begun["sso"]["redirect_url"]
            .as_str()
            .unwrap()
            .contains("Signature=")
    );
}
