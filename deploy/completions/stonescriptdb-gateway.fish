# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_stonescriptdb_gateway_global_optspecs
    string join \n h/help V/version
end

function __fish_stonescriptdb_gateway_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_stonescriptdb_gateway_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_stonescriptdb_gateway_using_subcommand
    set -l cmd (__fish_stonescriptdb_gateway_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_needs_command" -s h -l help -d 'Print help'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_needs_command" -s V -l version -d 'Print version'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_needs_command" -f -a "check-config" -d 'Read the configuration, print it without its secrets, and stop'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_needs_command" -f -a "upgrade-postgres" -d 'Bring the private PostgreSQL under DATA_DIR to a newer major version, while no gateway runs on it'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_using_subcommand upgrade-postgres" -l new-bin-dir -d 'The folder of the new version\'s programs; without it PG_BIN_DIR if that is newer, else the newest version found' -r -f -a "(__fish_complete_directories)"
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_using_subcommand upgrade-postgres" -l dump -d 'Dump and restore, where the new version has no pg_upgrade: what tables check is then run as the superuser'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_using_subcommand upgrade-postgres" -l trust-platforms -d 'Let pg_upgrade run functions of platforms as the superuser (in generated columns, CHECKs, indexes …); without this they are listed and nothing is done'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_using_subcommand upgrade-postgres" -s h -l help -d 'Print help'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_using_subcommand help; and not __fish_seen_subcommand_from check-config upgrade-postgres help" -f -a "check-config" -d 'Read the configuration, print it without its secrets, and stop'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_using_subcommand help; and not __fish_seen_subcommand_from check-config upgrade-postgres help" -f -a "upgrade-postgres" -d 'Bring the private PostgreSQL under DATA_DIR to a newer major version, while no gateway runs on it'
complete -c stonescriptdb-gateway -n "__fish_stonescriptdb_gateway_using_subcommand help; and not __fish_seen_subcommand_from check-config upgrade-postgres help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
