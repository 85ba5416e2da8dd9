# Every shipped model and example compiles, opens with two lines that say what it is and where it is from (an example: one),
# has at most 40 lines, and trains two steps of a small batch on images of the right shape.
# timeout: 900
# label: slow
. "$MLAANC_SOURCE/tests/support/cli.sh"

n=0
shipped() { # FILE LINES [option...]
  [ "$(head -"$2" "$1" | grep -c '^#')" = "$2" ] || fail "$1 does not begin with $2 lines of comment"
  [ "$(wc -l <"$1")" -le 40 ] || fail "$1 has more than 40 lines"
  expect 0 "$MLAANC" check "$1"
  expect 0 "$MLAANC" bench "$1" --batch 2 --steps 2 --threads 2 --json "${@:3}"
  n=$((n + 1))
}

# Narrow nets: what is tested is the page. Chains name blocks of the whole ResNet-32; ImageNet's chains are left to their rule.
for model in "$MLAANC_SOURCE"/models/*.mlaan; do
  case $(basename "$model" .mlaan) in
    dgl_2020) shipped "$model" 2 --set width=8 ;;
    predsim_vgg) shipped "$model" 2 --set 'backbone=vgg8b(width: 0.0625, hidden: 64)' ;;
    mlaan_aspub_imagenet) shipped "$model" 2 --set dataset=cifar10 --set K=4 ;;
    *) shipped "$model" 2 --set cifar_resnet.width=4 ;;
  esac
done
for model in "$MLAANC_SOURCE"/models/fashion/*.mlaan; do shipped "$model" 2; done
for model in "$MLAANC_SOURCE"/examples/*.mlaan; do shipped "$model" 1; done
[ $n -gt 0 ] || fail "no models"
echo "$n models"
