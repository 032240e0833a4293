# A message centre for one test: Perl's Net::SMPP on a free port of the loopback interface.
#
# Prints its port and serves until standard input closes. Every message, put together from its parts, becomes a file of
# the directory `--into`.
use strict;
use warnings;

use Encode qw(decode);
use Getopt::Long;
use IO::Select;
use JSON::PP;
use Net::SMPP;

my %options = ('refuse-from' => 1);
GetOptions(
    \%options,          'into=s',
    'system-id=s',      'password=s',
    'refuse=s',         # with which status every message is refused,
    'refuse-from=i',    # or every one from this part on
    'leave',            # whether the connection is torn in the middle of a message
    'enquire',          # whether it asks if we are there before it answers
) or exit 2;

my ($count, $submitted, %waiting) = (0, 0);

sub keep {
    my ($message) = @_;
    $count += 1;
    my $hidden = "$options{into}/.$count";
    open my $file, '>:raw', $hidden or die $!;
    print $file JSON::PP->new->utf8->encode($message);
    close $file;
    rename $hidden, "$options{into}/$count.json" or die $!;
}

sub take {
    my ($pdu, $bound) = @_;
    my $octets = $pdu->{short_message};
    my ($reference, $total, $at);

    # The header of a part: an element 0 of three octets (3GPP TS 23.040, 9.2.3.24.1).
    if ($pdu->{esm_class} & 0x40) {
        my $header = substr $octets, 0, 1 + ord $octets, '';
        (my $kind, my $length, $reference, $total, $at) = unpack 'xC5', $header;
        die 'an unknown header' if $kind != 0 || $length != 3;
    }
    my $text = decode($pdu->{data_coding} == 8 ? 'UTF-16BE' : 'gsm0338', $octets, Encode::FB_CROAK);
    my %message = (
        from        => $pdu->{source_addr},
        from_ton    => $pdu->{source_addr_ton},
        from_npi    => $pdu->{source_addr_npi},
        to          => $pdu->{destination_addr},
        to_ton      => $pdu->{dest_addr_ton},
        to_npi      => $pdu->{dest_addr_npi},
        data_coding => $pdu->{data_coding},
        esm_class   => $pdu->{esm_class},
        text        => $text,
        parts       => 1,
        %$bound,
    );
    return keep(\%message) if !defined $total;

    my $parts = $waiting{"$message{from}/$message{to}/$reference/$total"} ||= {};
    $parts->{$at} = $text;
    if (keys %$parts == $total) {
        $message{text}  = join '', map { $parts->{$_} } sort { $a <=> $b } keys %$parts;
        $message{parts} = $total;
        %$parts         = ();
        keep(\%message);
    }
}

# Serves one connection for as long as it wants to be, or we are wanted.
sub serve {
    my ($session) = @_;
    my $bound;
    my $either = IO::Select->new($session, \*STDIN);
    while (1) {
        my @ready = $either->can_read;
        exit 0 if grep { $_ == \*STDIN } @ready;
        my $pdu = $session->read_pdu or return;
        my %to  = (seq => $pdu->{seq});
        if ($pdu->{cmd} == 0x02) {
            if ($pdu->{system_id} ne $options{'system-id'} || $pdu->{password} ne $options{password}) {
                $session->bind_transmitter_resp(%to, status => 0x0e, system_id => '');
                next;
            }
            $bound = {
                system_id         => $pdu->{system_id},
                system_type       => $pdu->{system_type},
                interface_version => $pdu->{interface_version},
                tls               => JSON::PP::false,
            };
            $session->bind_transmitter_resp(%to, system_id => 'peer');
        }
        elsif ($pdu->{cmd} == 0x04 && $bound) {
            $submitted += 1;
            return if $options{leave};
            $session->enquire_link if $options{enquire};
            if ($options{refuse} && $submitted >= $options{'refuse-from'}) {
                $session->submit_sm_resp(%to, status => oct $options{refuse}, message_id => '');
                next;
            }
            take($pdu, $bound);
            $session->submit_sm_resp(%to, message_id => "peer-$submitted");
        }
        elsif ($pdu->{cmd} == 0x06) {
            $session->unbind_resp(%to);
            return;
        }
        else {
            $session->generic_nack(%to, status => 0x03);
        }
    }
}

my $listener = Net::SMPP->new_listen('127.0.0.1', port => 0, smpp_version => 0x34) or die $!;
$| = 1;
print $listener->sockport, "\n";
my $either = IO::Select->new($listener, \*STDIN);
while (1) {
    my @ready = $either->can_read;
    exit 0 if grep { $_ == \*STDIN } @ready;
    my $session = $listener->accept or next;
    serve($session);
    close $session;
}
