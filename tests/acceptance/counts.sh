# What `plan` says of the shipped ResNet-32 models is what the methods' authors count: parameters, forward work,
# modules; and a step holds fewer bytes of activations than the authors' own code.
. "$MLAANC_SOURCE/tests/support/cli.sh"

# plan MODEL [option...]: into $TEST_TMP/out.
plan() {
  planned="$*"
  expect 0 "$MLAANC" plan "$MLAANC_SOURCE/models/$1.mlaan" --batch 128 --json "${@:2}"
}

# is EXPRESSION...: each is true of the plan `j`.
is() {
  local list
  printf -v list '(%s), ' "$@"
  [ "$(json "all([$list])" "$TEST_TMP/out")" = True ] && return
  json "j" "$TEST_TMP/out"
  fail "$planned: not so: $*"
}

mib=1048576

# ---- the table of parameters, frozen copies, and million multiply-accumulates of a forward pass ----

# counts PARAMETERS AUXILIARY EMA MACS
counts() {
  is "j['parameters'] == $1" "j['auxiliary_parameters'] == $2" "j['ema_elements'] == $3" \
    "round(j['forward_macs'] / 1e6, 1) == $4" \
    "sum(m['parameters'] for m in j['modules']) == $1" \
    "sum(m['auxiliary_parameters'] for m in j['modules']) == $2" "${@:5}"
}

plan e2e
counts 466906 0 0 69.1 "j['work_bytes'] < 303.5 * $mib"
plan greedy
counts 466906 $((472176 - 466906)) 0 69.1
plan dgl
counts 466906 $((1305200 - 466906)) 0 70.6
plan infopro_softmax
counts 466906 $((916021 - 466906)) 0 153.3 "len(j['modules']) == 16"
plan man
counts 466906 $((1813504 - 466906)) 461120 317.4 "len(j['modules']) == 15" "j['work_bytes'] < 160.6 * $mib"

# The authors' MLAAN has no loss at module 0: our chain and two heads there come on top.
heads=$((5 * 170 + 5 * 330 + 4 * 650 + 14 * 650))
first_chain=$((14528 + 57728 + 2 * 73984))
first_encoder=$((432 + 2 * 2304)) # multiply-accumulates a position: the stem and stage1[0]
ema_blocks=$((14528 + 57728 + 4 * 73984))  # the blocks that chains copy: equal EMA copies are one
plan mlaan
counts 466906 $((3165376 + heads)) $ema_blocks 340.2 "j['work_bytes'] < 199.6 * $mib" \
  "j['modules'][0]['auxiliary_parameters'] == $first_chain + 170 + 650" \
  "j['parameters'] + j['auxiliary_parameters'] - j['modules'][0]['auxiliary_parameters'] == 3425438" \
  "round((j['forward_macs'] - j['modules'][0]['forward_macs'] + 1024 * $first_encoder) / 1e6, 1) == 319.7"
plan mlaan --set mlaan.ema_links=4 # every link of every chain
is "j['ema_elements'] == $ema_blocks"
plan mlaan --disable copies
is "j['ema_elements'] == 657216"
plan mlaan --set mlaan.ema_links=4 --disable copies
is "j['ema_elements'] == 3165376"
plan mlaan --set K=8
is "len(j['modules']) == 8"
plan e2e --set backbone=resnet110
is "j['parameters'] == 1730714"

# Here the products of pairs of images count, too: 128 of each image, of as many features as there are channels.
plan predsim
counts 466906 $((751216 - 466906)) 0 104.7 "round((j['forward_macs'] - 128 * (6 * 16 + 5 * 32 + 4 * 64)) / 1e6, 1) == 104.6"
plan auglocal
counts 466906 1341058 0 174.0 "len(j['modules']) == 14"
plan auglocal --set d=3
counts 466906 1511608 0 192.9
plan auglocal --set d=4
counts 466906 1705390 0 221.2
plan auglocal --set d=5
counts 466906 1684388 0 241.1
plan hpff_aspub
counts 466906 $((2169242 - 466906)) 0 228.2
# Its head at the stem is here as the others are; the code's is 1c2f with 128 outputs.
plan manpp
counts 466906 $((1845690 - 466906 - 128 * 129 + 10 * 129 + 32 * 32 * 9 + 64)) 465792 332.5 "len(j['modules']) == 16"
plan manpp --set base=dgl_wide
is "j['parameters'] + j['auxiliary_parameters'] == 10500863" "j['ema_elements'] == 465792"
plan mlaan_aspub_cifar
is "j['parameters'] + j['auxiliary_parameters'] == 3425438" "round(j['forward_macs'] / 1e6, 1) == 319.7" \
  "j['ema_elements'] == $ema_blocks"

# ---- InfoPro's decoders and heads, MAN's copies: from the program itself ----

expect 0 "$MLAANC" emit "$MLAANC_SOURCE/models/infopro_softmax.mlaan" --batch 2 -o "$TEST_TMP/infopro"
elements() {
  json "sum(__import__('math').prod(s['dim']) for s in j['states'] if s['region'] == '$1' and '$2' in s['name'])" \
    "$TEST_TMP/$3/plan.json"
}
has() { [ "$(elements "$2" "$3" "$4")" = "$1" ] || fail "$4, $3: not $1 but $(elements "$2" "$3" "$4") elements"; }
has 60741 param .decoder. infopro
has 388374 param .head_1c2f. infopro
expect 0 "$MLAANC" emit "$MLAANC_SOURCE/models/man.mlaan" --batch 2 -o "$TEST_TMP/man"
has 461120 param .copy1. man
has 461120 ema .ema1. man

# ---- the authors' splits: of ResNet-32 even, of ResNet-110 where the table says ----

# splits K END...: the last unit of every module but the last.
splits() {
  local k=$1
  shift
  plan greedy --set "K=$k" --set "backbone=$net"
  is "[m['name'].rstrip(')').replace('(', ' ').replace(',', ' ').split()[-1] for m in j['modules'][:-1]] == '$*'.split()"
}

net=resnet32
splits 2 'stage2[1]'
splits 3 'stage1[4]' 'stage2[4]'
splits 4 'stage1[2]' 'stage2[1]' 'stage3[0]'
splits 8 'stage1[0]' 'stage1[2]' 'stage1[4]' 'stage2[1]' 'stage2[3]' 'stage3[0]' 'stage3[2]'
splits 15 'stage1['{0,1,2,3,4}']' 'stage2['{0,1,2,3,4}']' 'stage3['{0,1,2,3}']'
splits 16 stem 'stage1['{0,1,2,3,4}']' 'stage2['{0,1,2,3,4}']' 'stage3['{0,1,2,3}']'
net=resnet110
splits 2 'stage2[8]'
splits 3 'stage1[17]' 'stage2[17]'
splits 4 'stage1[11]' 'stage2[7]' 'stage3[3]'
splits 8 'stage1[4]' 'stage1[11]' 'stage2[0]' 'stage2[7]' 'stage2[14]' 'stage3[3]' 'stage3[10]'
splits 55 stem 'stage1['{0..17}']' 'stage2['{0..17}']' 'stage3['{0..16}']'
