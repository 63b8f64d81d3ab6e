module lightningdb/bench

go 1.26.0

require lightningdb v0.0.0

replace lightningdb => ../
