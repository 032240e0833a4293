//! What a Tab offers where an identity provider is spoken of.

use crate::completions::told;
use crate::idp::with_corp;
use crate::world::World;

/// Without the options that follow what an argument can be.
fn values(world: &World, line: &str) -> Vec<String> {
    let mut told = told(world, line);
    told.retain(|word| !word.starts_with('-'));
    told
}

#[test]
fn what_the_store_knows_is_offered() {
    let world = with_corp();
    world.ok("idp add other --metadata okta.xml");
    world.ok("group add Helpdesk");
    world.ok("idp edit corp --group night=Helpdesk day=Helpdesk --add-certificate curve.pem");
    for verb in ["show", "edit", "remove", "metadata", "test"] {
        let line = format!("twofa idp {verb} ");
        assert_eq!(values(&world, &line), ["corp", "other"], "{verb}");
        assert_eq!(values(&world, &format!("{line}CO")), ["corp"], "{verb}");
    }
    for (verb, want) in [
        ("enable", "other"),
        ("disable", "corp"),
        ("default", "corp"),
    ] {
        assert_eq!(
            values(&world, &format!("twofa idp {verb} ")),
            [want],
            "{verb}"
        );
    }
    // Only one that is enabled can be the default.
    assert_eq!(
        values(&world, "twofa setting set DefaultSsoProvider "),
        ["corp"]
    );
    for (line, want) in [
        (
            "corp --remove-certificate 87",
            vec!["8788977493b684918841ad852269992bd158c83505ff2be7ee0626f91d38dcad"],
        ),
        ("corp --remove-certificate 00", vec![]),
        ("nobody --remove-certificate 87", vec![]),
        ("corp --no-group ", vec!["day", "night"]),
        ("corp --group x=he", vec!["x=Helpdesk"]),
        ("corp --group x", vec![]),
        (
            "corp --map urn:a?b=c=la",
            vec!["urn:a?b=c=last_name", "urn:a?b=c=language"],
        ),
        (
            "corp --name-id-format ",
            vec!["email", "persistent", "transient", "unspecified"],
        ),
        ("corp --employees ", vec!["none", "existing", "create"]),
        ("corp --kind o", vec!["okta", "onelogin"]),
        ("corp --unlink al", vec![]),
    ] {
        assert_eq!(
            values(&world, &format!("twofa idp edit {line}")),
            want,
            "{line}"
        );
    }
}
