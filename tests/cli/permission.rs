//! `twofa permission`: the lists themselves. Who may run which command is in `acting_user`, what a change may not bring
//! about in `permission_guards`.

use snapbox::str;

use crate::world::World;

#[test]
fn lists_are_shown() {
    let world = World::peopled();
    world.run("permission list").shows(str![[r#"
$ twofa permission list
? 0
--- stdout
CODE                            NAME                                  GRANTEES
CanUse2FA                       Can use 2FA                           1 All employees allow, 2 All external users allow
CanReset2FA                     Can disconnect 2FA authenticator app  1 System administrators allow
CanManageUsers                  Can manage users                      1 System administrators allow
CanManageLookups                Can manage lookups                    1 System administrators allow
CanManageSysSettings            Can manage system settings            1 System administrators allow
CanChangeAdminOperationGrantee  Can change operation permissions      1 System administrators allow
CanViewSysOperationAudit        Can view audit log                    1 System administrators allow
CanManageSysOperationAudit      Can manage audit log                  1 System administrators allow
CanManageAdministration         Can manage administration             1 System administrators allow

"#]]);
    world.run("permission show CANuse2fa").shows(str![[r#"
$ twofa permission show CANuse2fa
? 0
--- stdout
CanUse2FA: Can use 2FA

POSITION  GRANTEE             IS     ACCESS  UNTIL  EXPIRED
1         All employees       group  allow   –      no
2         All external users  group  allow   –      no

"#]]);
    world
        .run("permission show 'can disconnect 2fa authenticator app' -o json")
        .shows(str![[r#"
$ twofa permission show can disconnect 2fa authenticator app -o json
? 0
--- stdout
{
  "code": "CanReset2FA",
  "name": "Can disconnect 2FA authenticator app",
  "grantees": [
    {
      "position": 1,
      "group": "System administrators",
      "access": "allow",
      "until": null,
      "expired": false
    }
  ],
  "opens": [
    "authenticator show",
    "authenticator disconnect",
    "recovery-codes generate",
    "recovery-codes show",
    "login explain"
  ]
}

"#]]);
    world.run("permission show CanReset2F").shows(str![[r#"
$ twofa permission show CanReset2F
? 3
--- stderr
error: no operation is named `CanReset2F`
 hint: did you mean `CanReset2FA`?

"#]]);
    world.run("permission show NoSuch").shows(str![[r#"
$ twofa permission show NoSuch
? 3
--- stderr
error: no operation is named `NoSuch`
 hint: `twofa permission list` lists what there is

"#]]);
    let rows = world.json("permission list");
    assert_eq!(rows.as_array().unwrap().len(), 9);
    assert_eq!(
        rows[0]["grantees"],
        serde_json::json!([
            {"position": 1, "group": "All employees", "access": "allow", "until": null, "expired": false},
            {"position": 2, "group": "All external users", "access": "allow", "until": null, "expired": false},
        ])
    );
    // Every command that an operation opens stands in one list, and nowhere else.
    let mut opens: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row["opens"].as_array().unwrap())
        .map(|path| path.as_str().unwrap())
        .collect();
    let count = opens.len();
    opens.sort_unstable();
    opens.dedup();
    assert_eq!(opens.len(), count);
    let needing = twofa::verb::VERBS
        .iter()
        .filter(|verb| verb.needs.operation().is_some());
    assert_eq!(needing.count(), count);
}

#[test]
fn an_expired_row_is_shown_and_does_not_match() {
    let world = World::peopled();
    world.ok("permission grant CanManageLookups --user alice --until 'in 1h'");
    world
        .run("permission check CanManageLookups alice")
        .shows(str![[r#"
$ twofa permission check CanManageLookups alice
? 0
--- stdout
operation  CanManageLookups
user       alice
granted    yes
row        2 alice allow 2026-01-01T01:00:00Z
through    –
--- stderr
`alice` has `CanManageLookups`: row 2 allows the user `alice`.

"#]]);
    world.later(3600);
    world
        .run("permission check CanManageLookups alice")
        .shows(str![[r#"
$ twofa permission check CanManageLookups alice
? 5
--- stdout
operation  CanManageLookups
user       alice
granted    no
row        –
through    –
--- stderr
`alice` lacks `CanManageLookups`: no row of its list matches; row 2 did until 2026-01-01T01:00:00Z.

"#]]);
    world
        .run("permission show CanManageLookups")
        .shows(str![[r#"
$ twofa permission show CanManageLookups
? 0
--- stdout
CanManageLookups: Can manage lookups

POSITION  GRANTEE                IS     ACCESS  UNTIL                 EXPIRED
1         System administrators  group  allow   –                     no
2         alice                  user   allow   2026-01-01T01:00:00Z  yes

It opens:
  method enable
  method disable
  method primary
  template list
  template show
  template edit
  template set
  template reset
  template preview

"#]]);
}

#[test]
fn check_says_which_row_decides_and_by_which_way() {
    let world = World::peopled();
    for group in ["Team", "Unit", "Company"] {
        world.ok(&format!("group add {group}"));
    }
    world.ok("group add-member Unit --group Team");
    world.ok("group add-member Company --group Unit");
    world.ok("group add-member Team --user alice");
    world.ok("permission deny CanUse2FA --group Company --position 1");
    world.run("permission check CanUse2FA alice").shows(str![[r#"
$ twofa permission check CanUse2FA alice
? 5
--- stdout
operation  CanUse2FA
user       alice
granted    no
row        1 Company deny
through    Team, Unit, Company
--- stderr
`alice` lacks `CanUse2FA`: row 1 denies the group `Company`, by way of `Team` in `Unit` in `Company`.

"#]]);
    world.run("permission check CanUse2FA alice -o json").shows(str![[r#"
$ twofa permission check CanUse2FA alice -o json
? 5
--- stdout
{
  "operation": "CanUse2FA",
  "user": "alice",
  "granted": false,
  "row": {
    "position": 1,
    "group": "Company",
    "access": "deny",
    "until": null,
    "expired": false
  },
  "through": [
    "Team",
    "Unit",
    "Company"
  ]
}
--- stderr
`alice` lacks `CanUse2FA`: row 1 denies the group `Company`, by way of `Team` in `Unit` in `Company`.

"#]]);
    world.run("permission check CanUse2FA bob").shows(str![[r#"
$ twofa permission check CanUse2FA bob
? 0
--- stdout
operation  CanUse2FA
user       bob
granted    yes
row        2 All employees allow
through    All employees
--- stderr
`bob` has `CanUse2FA`: row 2 allows the group `All employees`.

"#]]);
    world
        .run("permission check CanReset2FA bob -o json")
        .shows(str![[r#"
$ twofa permission check CanReset2FA bob -o json
? 5
--- stdout
{
  "operation": "CanReset2FA",
  "user": "bob",
  "granted": false,
  "row": null,
  "through": []
}
--- stderr
`bob` lacks `CanReset2FA`: no row of its list matches.

"#]]);
    world.ok("permission grant CanReset2FA --user bob");
    world
        .run("permission check CanReset2FA bob")
        .shows(str![[r#"
$ twofa permission check CanReset2FA bob
? 0
--- stdout
operation  CanReset2FA
user       bob
granted    yes
row        2 bob allow
through    –
--- stderr
`bob` has `CanReset2FA`: row 2 allows the user `bob`.

"#]]);
    // On oneself by anybody, on others by whoever manages users; it is the answer that exits 5, without an error.
    world
        .run("permission check CanManageUsers bob --as bob")
        .shows(str![[r#"
$ twofa permission check CanManageUsers bob --as bob
? 5
--- stdout
operation  CanManageUsers
user       bob
granted    no
row        –
through    –
--- stderr
`bob` lacks `CanManageUsers`: no row of its list matches.

"#]]);
    world
        .run("permission check CanManageUsers alice --as bob")
        .shows(str![[r#"
$ twofa permission check CanManageUsers alice --as bob
? 5
--- stderr
error: `bob` lacks the operation `CanManageUsers`, which `twofa permission check` needs
 hint: ask whoever has `CanChangeAdminOperationGrantee` to grant it, such as `Supervisor`, or act as them with --as

"#]]);
    world
        .run("permission check CanUse2FA nobody")
        .shows(str![[r#"
$ twofa permission check CanUse2FA nobody
? 3
--- stderr
error: no user is named `nobody`
 hint: `twofa user list` lists what there is

"#]]);
}
