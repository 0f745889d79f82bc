# Fork, pipes, sockets and signals of Perl; prints `ok`.
use strict; use warnings; use Socket; use POSIX qw(:sys_wait_h); use File::Temp; use Time::HiRes;
pipe(my $read, my $write) or die "pipe: $!";
my $child = fork // die "fork: $!";
if (!$child) { print $write "child\n"; exit 4 }
close $write; die unless <$read> eq "child\n";
waitpid($child, 0); die unless WEXITSTATUS($?) == 4;
die unless `echo shell` eq "shell\n";
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die "socketpair: $!";
syswrite($a, "x"); sysread($b, my $got, 1); die unless $got eq "x";
die "an internet socket was created" if socket(my $s, AF_INET, SOCK_STREAM, 0);
local $SIG{ALRM} = sub { die "alarm\n" };
eval { Time::HiRes::alarm(0.01); select(undef, undef, undef, 5); }; die unless $@ eq "alarm\n";
my $folder = File::Temp->newdir(DIR => "."); open(my $file, ">", "$folder/f") or die; flock($file, 2) or die;
print "ok\n";
