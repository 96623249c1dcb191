# mantel.R FIRST.csv SECOND.csv PERMUTATIONS: prints CPU and wall seconds, the correlation and its one-sided p.
suppressPackageStartupMessages(library(vegan))
arguments <- commandArgs(TRUE)
distances <- lapply(arguments[1:2], function(path) as.dist(as.matrix(read.csv(path, header = FALSE))))
set.seed(0)
seconds <- system.time(test <- mantel(distances[[1]], distances[[2]], permutations = as.integer(arguments[3])))
cat(sum(seconds[1:2]), seconds[3], format(c(test$statistic, test$signif), digits = 15), "\n")
